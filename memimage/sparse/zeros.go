package sparse

import (
	"bytes"
	"io"
)

// Zeroer is a reader that knows runs of zeros without reading them, such as the holes of a sparse file. These zeros
// are data like any other: only work that does not need zeros, or knows the result for them, may skip them. Zeros
// returns how many bytes from off on are known to be zero; 0 means that nothing is known.
type Zeroer interface {
	Zeros(off int64) int64
}

// Zeros implements [Zeroer] through the sources of the extents, within one extent.
func (r *Reader) Zeros(off int64) int64 {
	i := r.at(off)
	if off < 0 || i == len(r.extents) || r.extents[i].Off > off {
		return 0
	}
	e := r.extents[i]
	return min(Zeros(e.Src, e.SrcOff+off-e.Off), e.End()-off)
}

// Zeros asks r about the zeros from off on; a reader that is no [Zeroer] knows none.
func Zeros(r io.ReaderAt, off int64) int64 {
	if z, ok := r.(Zeroer); ok {
		return max(z.Zeros(off), 0)
	}
	return 0
}

// ZeroRun returns how many of the n bytes of r from off on are known to be zero, up to the first byte that is not.
// Runs of r that follow each other directly count as a single run.
func ZeroRun(r io.ReaderAt, off, n int64) int64 {
	run := int64(0)
	for run < n {
		more := Zeros(r, off+run)
		if more <= 0 {
			return run
		}
		run += min(more, n-run)
	}
	return n
}

// AllZero reports whether all bytes of p are zero. It compares p with p shifted by one byte, which is quick.
func AllZero(p []byte) bool {
	return len(p) == 0 || p[0] == 0 && bytes.Equal(p[1:], p[:len(p)-1])
}
