package figure

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestDotsShowTheGravestClass compares dots of one byte and of many with their
// definition.
func TestDotsShowTheGravestClass(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, size := range []int64{0, 1, 1000, 3<<20 + 77} {
		a := make([]byte, size)
		b := bytes.Clone(a)
		for range 2000 {
			if i := r.Int64N(size + 1); i < size {
				b[i] = 1
			}
		}
		c := Comparison{
			Reference: bytes.NewReader(a), ReferenceSize: size * 15 / 16,
			Recovered: bytes.NewReader(b), RecoveredSize: size,
			Relocated: []Span{{0, size / 4}}, Bound: []Span{{size / 4, size / 4}}, Missing: []Span{{size / 2, size / 9}},
		}
		var all classList
		if err := c.each(&all); err != nil {
			t.Fatal(err)
		}
		l := newLayout(size, maxMapWidth)
		dots, counts, err := classDots(&c, l)
		if err != nil || counts.Total() != size {
			t.Fatalf("%d bytes: %v, %v", size, counts, err)
		}
		for i, got := range dots {
			from := int64(i) * l.dotBytes
			if want := plainDot(all[from:min(from+l.dotBytes, size)]); got != want {
				t.Fatalf("%d bytes: dot %d is %d, want %d", size, i, got, want)
			}
		}
	}
}

// classList are the classes of all bytes.
type classList []Class

func (l *classList) take(p []Class, _ int64) { *l = append(*l, p...) }

func (l *classList) takeRun(class Class, _, n int64) {
	*l = append(*l, slices.Repeat([]Class{class}, int(n))...)
}

func plainDot(p []Class) uint8 {
	var worst Class
	n := 0
	for _, c := range p {
		worst = max(worst, c)
	}
	for _, c := range p {
		if c == worst {
			n++
		}
	}
	switch {
	case n*2 >= len(p):
		return differences.index(worst, 0)
	case n*8 >= len(p):
		return differences.index(worst, 1)
	}
	return differences.index(worst, 2)
}
