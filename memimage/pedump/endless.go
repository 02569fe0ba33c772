package pedump

import (
	"errors"
	"fmt"
	"math"

	"memlens/memimage/sparse"
)

var errBeyond = errors.New("beyond the end of the address space")

// beyond is a module with an endless hole behind its end. In the file layout, a section that claims to lie there
// replaces bytes that were written to its place before, as Volatility's zeros do.
type beyond struct{ module sparse.Source }

// Size returns the largest offset: the hole has no end.
func (*beyond) Size() int64 { return math.MaxInt64 }

// ReadAt implements sparse.Source.
func (b *beyond) ReadAt(p []byte, off int64) (int, error) {
	rest := b.module.Size() - off
	if rest <= 0 {
		return 0, hole(off)
	}
	if int64(len(p)) <= rest {
		return b.module.ReadAt(p, off)
	}
	n, err := b.module.ReadAt(p[:rest], off)
	if int64(n) == rest {
		err = hole(off + rest)
	}
	return n, err
}

// Probe implements sparse.Source.
func (b *beyond) Probe(off int64) (int64, error) {
	switch {
	case off < 0:
		return 0, fmt.Errorf("pedump: negative offset %d", off)
	case off >= b.module.Size():
		return math.MaxInt64 - off, hole(off)
	}
	return b.module.Probe(off)
}

// WillNeed implements [sparse.Late] as far as the module does.
func (b *beyond) WillNeed(off, n int64) bool {
	return sparse.WillNeed(b.module, off, min(n, max(b.module.Size()-off, 0)))
}

func hole(off int64) error {
	return &sparse.HoleError{Off: off, Len: math.MaxInt64 - off, Err: errBeyond}
}
