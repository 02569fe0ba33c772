package remote

import (
	"testing"

	lru "github.com/hashicorp/golang-lru/v2"
)

// TestNeighbours requests scattered blocks: the first block of a span comes alone, the next one with all blocks of
// the span that are not here. After many spans, only spans that were read more often are filled.
func TestNeighbours(t *testing.T) {
	p := &pool{flights: map[blockID]*flight{}}
	p.blocks, _ = lru.New[blockID, []byte](1 << 20)
	o := &object{pool: p, pin: &pin{size: 3*spanBlocks*blockSize + 2*blockSize + 1}}
	ask := func(first, end, from, until int64) {
		t.Helper()
		gotFrom, gotUntil := p.neighbours(o, first, end)
		if gotFrom != from || gotUntil != until {
			t.Errorf("%d to %d: %d to %d, want %d to %d", first, end, gotFrom, gotUntil, from, until)
		}
		for n := gotFrom; n < gotUntil; n++ {
			p.blocks.Add(blockID{o, n}, nil)
		}
	}
	ask(20, 21, 20, 21)
	ask(20, 21, 20, 21) // it is here
	ask(25, 26, 21, 32) // from behind the block that is here to the end of the span
	ask(18, 19, 16, 20)
	ask(0, fewBlocks+1, 0, fewBlocks+1) // read in order
	ask(8, 9, 8, 9)
	ask(9, 10, 9, 16)
	ask(48, 49, 48, 49)
	ask(50, 51, 49, 51) // the object ends there
	o.density.filled = fillsPerRead
	ask(40, 41, 40, 41)
	ask(42, 43, 42, 43)
	ask(44, 45, 43, 48)
}
