package sparse

import "testing"

// zeroFrom is a reader that knows that all bytes from an offset on are zero.
type zeroFrom struct {
	Source
	off int64
}

func (z zeroFrom) Zeros(off int64) int64 {
	if off < z.off {
		return 0
	}
	return 1 << 40
}

func TestZeros(t *testing.T) {
	r := mustReader(t, 100,
		Extent{Off: 10, Len: 20, Src: zeroFrom{letters(100), 8}, SrcOff: 3},
		Extent{Off: 40, Len: 10, Src: letters(100)})
	for _, c := range []struct{ off, want int64 }{{-1, 0}, {0, 0}, {10, 0}, {14, 0}, {15, 15}, {29, 1}, {30, 0}, {40, 0}, {99, 0}, {100, 0}} {
		if got := r.Zeros(c.off); got != c.want {
			t.Errorf("%d zeros known from %d on, want %d", got, c.off, c.want)
		}
	}
}
