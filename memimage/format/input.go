package format

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"memlens/memimage/sparse"
)

// input is a source that goes through the table of formats. It collects the notes of the opener that takes it.
type input struct {
	Source
	opts    Options
	depth   int // containers around this one
	notes   []string
	doubts  []string // why no byte of the image is sure
	closers []io.Closer
	// truncated says which part of the container is missing.
	truncated []Truncation
	watched   []watched
	medium    *medium
}

// newInput returns the input for a file that lies in no other.
func newInput(src Source, o Options) *input {
	m := new(medium)
	return &input{Source: m.watch(src), opts: o, medium: m}
}

// note adds a sentence to the notes of the image.
func (in *input) note(format string, args ...any) {
	in.notes = append(in.notes, fmt.Sprintf(format, args...))
}

// doubt adds a sentence on why no byte of the image is sure to be as it was acquired.
func (in *input) doubt(format string, args ...any) {
	in.doubts = append(in.doubts, fmt.Sprintf(format, args...))
}

// sibling opens the file beside in that has the extension ext, such as ".vmss", in place of its own.
func (in *input) sibling(ext string) (Source, error) { return in.beside(stem(in.Name()) + ext) }

// stem returns a file name without its extension.
func stem(name string) string { return strings.TrimSuffix(name, filepath.Ext(name)) }

// beside opens the file of that name beside in; it is closed with the image.
func (in *input) beside(name string) (Source, error) {
	src, err := in.Beside(name)
	if err != nil {
		return nil, err
	}
	if c, ok := src.(io.Closer); ok {
		in.closers = append(in.closers, c)
	}
	return src, nil
}

func (in *input) closeAll() error {
	var errs []error
	for _, c := range in.closers {
		errs = append(errs, c.Close())
	}
	in.closers = nil
	return errors.Join(errs...)
}

// head returns the first n bytes of in, fewer when it is shorter.
func (in *input) head(n int) (fields, error) { return readUpTo(in, 0, n) }

// readUpTo returns the n bytes at off of src, or fewer at its end or at a hole in it; other errors are returned.
func readUpTo(src io.ReaderAt, off int64, n int) (fields, error) {
	if off < 0 {
		return nil, nil
	}
	b := make([]byte, n)
	m, err := src.ReadAt(b, off)
	if m < n && err != nil && !errors.Is(err, io.EOF) && !sparse.IsHole(err) {
		return nil, fmt.Errorf("format: reading at %#x: %w", off, err)
	}
	return b[:m], nil
}

// fields reads little-endian numbers at byte offsets of a structure. Fields behind its end read as zero, as in a
// structure of an older version that lacks the field.
type fields []byte

// at returns the n bytes at off, or nil when they are not all there.
func (f fields) at(off, n int) []byte {
	if off < 0 || n < 0 || off > len(f) || n > len(f)-off {
		return nil
	}
	return f[off : off+n]
}

func (f fields) u16(off int) uint16 {
	if b := f.at(off, 2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (f fields) u32(off int) uint32 {
	if b := f.at(off, 4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (f fields) u64(off int) uint64 {
	if b := f.at(off, 8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// has reports whether the bytes at off are the bytes of s.
func (f fields) has(off int, s string) bool { return string(f.at(off, len(s))) == s && s != "" }
