package render

import (
	"errors"
	"fmt"
	"io"

	"memlens/memimage/sparse"
)

// cells is the data of a picture: size bytes, then white without end.
type cells struct {
	data io.ReaderAt
	size int64
}

// fill reads the cells from off on.
func (c cells) fill(p []byte, off int64) error {
	n := int(min(max(c.size-off, 0), int64(len(p))))
	for i := range p[n:] {
		p[n+i] = cellBeyond
	}
	if n == 0 {
		return nil
	}
	return readFull(c.data, p[:n], off)
}

// zeros reports whether all n cells from off on are known to be zeros without
// reading them.
func (c cells) zeros(off, n int64) bool {
	return off <= c.size-n && sparse.ZeroRun(c.data, off, n) == n
}

// readFull fills p from off on. An end of the data before that is an error:
// their size was promised.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return fmt.Errorf("render: data end at offset %#x, %d bytes early: %w",
			off+int64(n), len(p)-n, io.ErrUnexpectedEOF)
	}
	return err
}
