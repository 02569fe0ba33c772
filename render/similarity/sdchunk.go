package similarity

import (
	"encoding/binary"
	"math/bits"
)

// sdStretch is how many bytes of a chunk are worked on at a time: they, their ranks and points should stay in the
// processor's nearest cache.
const sdStretch = 8 << 10

// sdHeld is how many bytes are held at most: a stretch, the windows at the end of the stretch before, and the bytes
// that these windows reach into.
const sdHeld = sdStretch + 2*sdWindow

// chunk finds the features of data that it is given piece by piece. Each offset has a rank, by the entropy of the
// window of bytes from it on. At each offset the windows from there on compete, and the window with the lowest rank
// wins a point; among neighbours with that rank, the last one wins. A window with more than sdThreshold points is a
// feature.
//
// Data, ranks and points are held for a stretch only. Offsets count from its
// start.
type chunk struct {
	feature func([]byte)
	ranker  *ranker
	contest contest
	n       int // bytes that are held
	ranked  int // offsets that have a rank
	data    [sdHeld]byte
}

func newChunk(feature func([]byte)) *chunk {
	c := &chunk{feature: feature, ranker: newRanker()}
	c.contest.restart()
	return c
}

// Take takes data.
func (c *chunk) Take(p []byte) {
	for len(p) > 0 {
		n := copy(c.data[c.n:], p)
		c.n += n
		if p = p[n:]; c.n == len(c.data) {
			c.advance()
		}
	}
}

// TakeZeros takes n zeros. Windows of zeros have no entropy and so no rank, and where all competitors have no rank,
// none wins a point. So in a long run only two parts count: the start, which ends the data before it, and an equal
// part before the data behind it.
func (c *chunk) TakeZeros(n int64) {
	const enough = 4 * sdWindow
	for most := min(n, enough); most > 0; most -= int64(len(noughts)) {
		c.Take(noughts[:min(most, int64(len(noughts)))])
	}
	if n > enough {
		c.advance()
	}
}

// end reports the remaining features, and begins anew. The last window of a chunk has no rank: sdhash leaves it out.
func (c *chunk) end() {
	c.rank()
	last := c.ranked
	c.contest.finish(last)
	c.tell(last)
	c.n, c.ranked = 0, 0
	c.contest.restart()
}

// advance works on the held bytes whose result does not depend on later data, and drops them.
func (c *chunk) advance() {
	c.rank()
	if c.ranked <= sdWindow {
		return
	}
	c.contest.run(c.ranked - sdWindow)
	done := c.contest.next
	c.tell(done)
	copy(c.data[:], c.data[done:c.n])
	c.contest.drop(done, c.ranked)
	c.n, c.ranked = c.n-done, c.ranked-done
}

// rank ranks the held windows. A window is ranked when there is a byte after it.
func (c *chunk) rank() {
	to := c.n - sdWindow
	switch {
	case c.ranked == sdWindow && c.n == sdHeld:
		c.ranker.rankStretch((*[sdStretch]uint16)(c.contest.rank[sdWindow:]), &c.data)
	case c.ranked < to:
		c.ranker.rank(c.contest.rank[c.ranked:to], c.data[:c.n], c.ranked)
	}
	c.ranked = max(c.ranked, to)
}

// fewPoints are points for eight offsets: added to points above sdThreshold, they give 128 or more.
const (
	everyPoint = 0x0101010101010101
	fewPoints  = everyPoint * (127 - sdThreshold)
	manyPoints = everyPoint * 128
)

// tell reports the features before offset to; their points are final.
func (c *chunk) tell(to int) {
	points := &c.contest.points
	for i := 0; i < to; i += 8 {
		many := (binary.LittleEndian.Uint64(points[i:]) + fewPoints) & manyPoints
		for ; many != 0; many &= many - 1 {
			if at := i + bits.TrailingZeros64(many)/8; at < to {
				c.feature(c.data[at:][:sdWindow])
			}
		}
	}
}
