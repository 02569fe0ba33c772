package render

import (
	"errors"
	"fmt"
	"io"
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

// prober is what a sparse source can tell: n bytes from off on are data
// (err nil) or a hole, which reads as zeros.
type prober interface {
	Probe(off int64) (n int64, err error)
}

// hole reports whether all n cells from off on are known to be zeros without
// reading them.
func (c cells) hole(off, n int64) bool {
	p, ok := c.data.(prober)
	if !ok || off > c.size-n {
		return false
	}
	m, err := p.Probe(off)
	return err != nil && m >= n
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
