package sparse_test

import (
	"testing"

	"memlens/memimage/sparse"
)

// runs knows zeros in pieces of ten, up to an end.
type runs struct{ end int64 }

func (runs) ReadAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (r runs) Zeros(off int64) int64               { return min(10-off%10, r.end-off) }

func TestZeroRun(t *testing.T) {
	for _, tt := range []struct{ off, n, want int64 }{{0, 100, 55}, {50, 100, 5}, {3, 4, 4}, {3, 40, 40}, {55, 1, 0}, {70, 5, 0}, {0, 0, 0}} {
		if got := sparse.ZeroRun(runs{55}, tt.off, tt.n); got != tt.want {
			t.Errorf("%d from %d: %d, want %d", tt.n, tt.off, got, tt.want)
		}
	}
}

func TestAllZero(t *testing.T) {
	for _, p := range [][]byte{nil, {0}, make([]byte, 100)} {
		if !sparse.AllZero(p) {
			t.Errorf("%v is not taken for zeros", p)
		}
		for i := range p {
			p[i] = 1
			if sparse.AllZero(p) {
				t.Errorf("a byte at %d of %d is taken for zero", i, len(p))
			}
			p[i] = 0
		}
	}
}
