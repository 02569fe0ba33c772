package pedump

import (
	"errors"
	"io"
	"math"

	"memlens/memimage/sparse"
)

var errBeyond = errors.New("beyond the end of the address space")

// endless returns a module behind whose end there is a hole: a section that claims to lie there
// hides, as Volatility's zeros do, what was written to its place in the file before.
func endless(module io.ReaderAt) io.ReaderAt {
	if m, ok := module.(sizedReaderAt); ok {
		return &beyond{m}
	}
	return module
}

type sizedReaderAt interface {
	io.ReaderAt
	Size() int64
}

type beyond struct{ module sizedReaderAt }

// ReadAt implements io.ReaderAt; there is no io.EOF.
func (b *beyond) ReadAt(p []byte, off int64) (int, error) {
	rest := b.module.Size() - off
	if rest <= 0 {
		return 0, &sparse.HoleError{Off: off, Len: math.MaxInt64 - off, Err: errBeyond}
	}
	if int64(len(p)) <= rest {
		return b.module.ReadAt(p, off)
	}
	n, err := b.module.ReadAt(p[:rest], off)
	if int64(n) == rest {
		err = &sparse.HoleError{Off: off + rest, Len: math.MaxInt64 - off - rest, Err: errBeyond}
	}
	return n, err
}

// Probe implements sparse.Prober.
func (b *beyond) Probe(off int64) (int64, error) {
	if off >= b.module.Size() {
		return math.MaxInt64 - off, &sparse.HoleError{Off: off, Len: math.MaxInt64 - off, Err: errBeyond}
	}
	return sparse.Probe(b.module, off, b.module.Size())
}
