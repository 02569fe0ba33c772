package format

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"memlens/memimage/reason"
	"memlens/memimage/sparse"
)

// Stream is what a reader without random access gave, in a temporary file. It implements [Source]; no file is beside it.
type Stream struct {
	sparse.Source
	name   string
	closer io.Closer
}

// NewStream reads r to its end and writes it to a temporary file in the spool folder, which goes away by itself, whatever becomes of the
// program. A regular file that nothing was read of is taken as it is. What r ends with is taken for all: a pipe does not say that its
// writer was ended. Progress is told of the bytes that came.
func NewStream(r io.Reader, name string, o Options) (*Stream, error) {
	if f, ok := r.(*os.File); ok {
		if size, ok := fileSize(f); ok {
			return &Stream{sparse.Whole(f, size), name, f}, nil
		}
	}
	dir := o.SpoolDir
	if dir == "" {
		dir = os.TempDir()
	}
	if err := checkFree(dir, false); err != nil {
		return nil, fmt.Errorf("format: copying %s: %w", name, err)
	}
	f, closer, err := temporaryFile(dir)
	if err != nil {
		return nil, fmt.Errorf("format: copying %s: %w", name, err)
	}
	n, err := copyStream(f, dir, r, o.Progress)
	if err == nil && n == 0 {
		return nil, errors.Join(reason.Errorf(reason.Empty, "format: %s is empty", name), closer.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("format: copying %s to a file in %s, after %s: %w", name, dir, sizeText(uint64(n)), err), closer.Close())
	}
	return &Stream{sparse.Whole(f, n), name, closer}, nil
}

// fileSize returns the size of a regular file; false for anything else, and for one that has been read in part.
func fileSize(f *os.File) (int64, bool) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0, false
	}
	at, err := f.Seek(0, io.SeekCurrent)
	return info.Size(), err == nil && at == 0
}

// copyStream copies r to f, in a folder that keeps some free space, and returns how many bytes came. Zeros are holes.
func copyStream(f *os.File, dir string, r io.Reader, progress func(done, total int64)) (n int64, err error) {
	buf, zeros := make([]byte, spoolChunk), make([]byte, pageSize)
	for {
		m, err := readFull(r, buf)
		if werr := writeSparse(f, buf[:m], n, zeros); werr != nil {
			return n, werr
		}
		n += int64(m)
		if progress != nil {
			progress(n, 0)
		}
		if err == io.EOF {
			return n, f.Truncate(n)
		}
		if err != nil {
			return n, err
		}
		if err := checkFree(dir, false); err != nil {
			return n, err
		}
		if n > maxMissing {
			return n, fmt.Errorf("more than %s are no memory image", sizeText(maxMissing))
		}
	}
}

// Name implements [Source].
func (s *Stream) Name() string { return s.name }

// Beside implements [Source].
func (s *Stream) Beside(name string) (Source, error) {
	return nil, fmt.Errorf("format: %s beside %s: %w", name, s.name, fs.ErrNotExist)
}

// Names implements [Source].
func (s *Stream) Names() ([]string, error) { return []string{s.name}, nil }

// Close closes the file.
func (s *Stream) Close() error { return s.closer.Close() }
