package sparse

import (
	"math/rand/v2"
	"testing"
)

// TestOverlap counts, byte by byte, the bytes that also lie in an extent with an earlier offset.
func TestOverlap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		extents := make([]Extent, rng.IntN(8))
		var bytes int64
		covered := map[int64]bool{}
		for i := range extents {
			extents[i] = Extent{Off: rng.Int64N(40), Len: rng.Int64N(20)}
			for at := extents[i].Off; at < extents[i].End(); at++ {
				bytes++
				covered[at] = true
			}
		}
		if got, want := Overlap(extents), uint64(bytes)-uint64(len(covered)); got != want {
			t.Fatalf("%v: %d, want %d", extents, got, want)
		}
	}
}
