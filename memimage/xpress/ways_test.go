package xpress

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"memlens/memimage/synth/compress"
)

// TestLZ77InEveryWay unpacks pages that were compressed in every way.
func TestLZ77InEveryWay(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 40 {
		page := randomPage(rng)
		for way := compress.Greedy; way <= compress.Wide32; way++ {
			packed, got := compress.Xpress(page, way), make([]byte, 4096)
			if _, err := LZ77(got, packed); err != nil || !bytes.Equal(got, page) {
				t.Fatalf("way %d: %v", way, err)
			}
			if got, ok := slowLZ77(packed, 4096); !ok || !bytes.Equal(got, page) {
				t.Fatalf("way %d: the slow decoder: %v", way, ok)
			}
		}
		if _, err := LZ77(make([]byte, 4096), compress.XpressBeyond(page)); !errors.Is(err, ErrDamaged) {
			t.Fatalf("a match that begins before the page: %v", err)
		}
	}
}

// randomPage is a page of runs, of noise, and of repetitions.
func randomPage(rng *rand.Rand) []byte {
	page := make([]byte, 0, 2*4096)
	for kinds := 1 + rng.IntN(200); len(page) < 4096; {
		switch rng.IntN(3) {
		case 0:
			page = append(page, bytes.Repeat([]byte{byte(rng.IntN(kinds))}, 1+rng.IntN(600))...)
		case 1:
			page = append(page, byte(rng.IntN(kinds)), byte(rng.Uint32()))
		case 2:
			page = append(page, page[rng.IntN(len(page)+1):]...)
		}
	}
	return page[:4096]
}
