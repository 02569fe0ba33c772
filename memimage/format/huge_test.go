package format

import (
	"io"
	"io/fs"
	"sync/atomic"
)

// hugeSource is a source of zeros of any size with some bytes in front. It counts the bytes that are read.
type hugeSource struct {
	name string
	head []byte
	size int64
	read atomic.Int64
}

func (s *hugeSource) Name() string                  { return s.name }
func (s *hugeSource) Size() int64                   { return s.size }
func (s *hugeSource) Beside(string) (Source, error) { return nil, fs.ErrNotExist }
func (s *hugeSource) Names() ([]string, error)      { return []string{s.name}, nil }
func (s *hugeSource) Probe(off int64) (int64, error) {
	if off >= s.size {
		return 0, io.EOF
	}
	return s.size - off, nil
}
func (s *hugeSource) ReadAt(p []byte, off int64) (int, error) {
	n := int(min(int64(len(p)), max(s.size-off, 0)))
	clear(p[:n])
	if off < int64(len(s.head)) {
		copy(p[:n], s.head[off:])
	}
	s.read.Add(int64(n))
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
