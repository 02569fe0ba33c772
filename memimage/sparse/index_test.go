package sparse

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestIndex compares an index with a search of all ranges: sorted, overlapping, empty and hostile ones.
func TestIndex(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		spans := make([][2]int64, random.IntN(6))
		apart := random.IntN(2) == 0
		var end int64
		for i := range spans {
			spans[i] = [2]int64{random.Int64N(40), random.Int64N(12) - 1}
			if apart {
				spans[i] = [2]int64{end + random.Int64N(3), 1 + random.Int64N(5)}
				end = spans[i][0] + spans[i][1]
			}
		}
		index := NewIndex(len(spans), func(i int) (int64, int64) { return spans[i][0], spans[i][1] })
		for x := int64(-2); x < 60; x++ {
			if got, want := index.At(x), firstOf(spans, x); got != want {
				t.Fatalf("%v at %d: %d, want %d", spans, x, got, want)
			}
		}
	}
}

// firstOf returns the number of the first range that holds x, or -1.
func firstOf(spans [][2]int64, x int64) int {
	for i, s := range spans {
		if s[1] > 0 && x >= s[0] && x-s[0] < s[1] {
			return i
		}
	}
	return -1
}

// TestOverlayOfDisjoint checks that disjoint extents, which take a shorter way, give the same result as painting,
// joined where they continue each other.
func TestOverlayOfDisjoint(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	src := Bytes(make([]byte, 64))
	for range 3000 {
		var extents []Extent
		var end int64
		for range random.IntN(6) {
			e := Extent{Off: end + random.Int64N(2), Len: 1 + random.Int64N(4), Src: src, SrcOff: end}
			extents, end = append(extents, e), e.End()
		}
		covered := append([]Extent{{Off: 0, Len: 1, Src: src, SrcOff: 50}}, extents...) // not disjoint: its first byte is painted over, if any
		if len(extents) == 0 || extents[0].Off > 0 {
			covered = extents
		}
		got, want := Overlay(extents...), Overlay(covered...)
		if len(got) != len(want) {
			t.Fatalf("%v: %v, want %v", extents, got, want)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("%v: %v, want %v", extents, got, want)
			}
		}
	}
	hostile := []Extent{{Off: math.MaxInt64 - 1, Len: 4, Src: src}, {Off: 0, Len: 1, Src: src}}
	if disjoint(hostile) || disjoint([]Extent{{Off: 1, Len: math.MaxInt64, Src: src}}) {
		t.Error("extents that end behind all numbers are taken for disjoint")
	}
}

func BenchmarkNewIndex(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		NewIndex(7, func(i int) (int64, int64) { return int64(i) * 4096, 4096 })
	}
}
