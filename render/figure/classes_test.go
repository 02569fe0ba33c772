package figure_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"memlens/render/figure"
)

// plainCount is the definition, byte by byte.
func plainCount(a, b []byte, c figure.Comparison) (n figure.Counts) {
	in := func(spans []figure.Span, i int64) bool {
		for _, s := range spans {
			if i >= s.Off && i < s.Off+s.Len {
				return true
			}
		}
		return false
	}
	for i := range int64(max(len(a), len(b))) {
		switch {
		case i >= int64(min(len(a), len(b))):
			n[figure.Beyond]++
		case in(c.Missing, i):
			n[figure.NotRecovered]++
		case in(c.MissingInReference, i):
			n[figure.NotInReference]++
		case a[i] == b[i]:
			n[figure.Equal]++
		case in(c.Relocated, i):
			n[figure.Relocated]++
		case in(c.Bound, i):
			n[figure.Bound]++
		case in(c.Slots, i):
			n[figure.Slot]++
		default:
			n[figure.Changed]++
		}
	}
	return n
}

func TestCountsAreThoseOfTheDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	spans := func(size int) (s []figure.Span) {
		for range 10 {
			s = append(s, figure.Span{Off: int64(r.IntN(size+20) - 10), Len: int64(r.IntN(size/8 + 1))})
		}
		return s
	}
	for _, sizes := range [][2]int{{0, 0}, {0, 5}, {5, 0}, {1000, 1000}, {1000, 700}, {300_000, 600_000}} {
		a, b := make([]byte, sizes[0]), make([]byte, sizes[1])
		for i := range b {
			b[i] = byte(r.IntN(2))
		}
		size := max(len(a), len(b))
		c := figure.Comparison{
			Reference: bytes.NewReader(a), ReferenceSize: int64(len(a)),
			Recovered: bytes.NewReader(b), RecoveredSize: int64(len(b)),
			Relocated: spans(size), Bound: spans(size), Slots: spans(size), Missing: spans(size), MissingInReference: spans(size),
		}
		got, err := c.Count()
		if err != nil {
			t.Fatal(err)
		}
		if want := plainCount(a, b, c); got != want {
			t.Errorf("sizes %d: %v, want %v", sizes, got, want)
		}
		if got.Total() != int64(size) {
			t.Errorf("sizes %d: %d bytes in all", sizes, got.Total())
		}
	}
}
