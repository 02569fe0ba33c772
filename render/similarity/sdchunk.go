package similarity

import (
	"io"

	"memlens/memimage/sparse"
)

// sdBlock is how many bytes of a chunk are worked on at a time.
const sdBlock = 64 << 10

// chunk finds the features of up to sdChunk bytes. Each offset has a rank, by
// the entropy of the window of bytes from it on. At each offset the windows
// from there on compete, and the one of the lowest rank, the last of equals
// that touch, wins a point. What has more than sdThreshold points is a feature.
//
// Ranks and points are held for a stretch of the chunk only, from base on.
type chunk struct {
	r       io.ReaderAt
	off     int64 // of the chunk in r
	size    int64 // of the chunk
	feature func([]byte)

	base   int64 // offset of data[0], rank[0] and points[0]
	told   int64 // features before this offset are told
	data   []byte
	rank   []uint16
	points []uint16
	count  [256]uint8 // of each byte in the window that was ranked last
	entr   int32      // its entropy
}

func newChunk(r io.ReaderAt, off, size int64, feature func([]byte)) *chunk {
	return &chunk{r: r, off: off, size: size, feature: feature}
}

func (c *chunk) run() error {
	if err := c.compete(); err != nil {
		return err
	}
	c.tell(c.size - sdWindow)
	return nil
}

// compete goes through all offsets. Where the winner before is still ahead and
// the window that joins is no better, it wins again.
func (c *chunk) compete() error {
	var winner int64
	var best uint16
	for i := int64(0); i < c.size-sdWindow; i++ {
		var err error
		if i, err = c.passZeros(i); err != nil {
			return err
		}
		for i > 0 && best > 0 && i < winner && c.rankAt(i+sdWindow) >= best {
			if c.rankAt(i+sdWindow) == best {
				winner = i + sdWindow
			}
			c.points[winner-c.base]++
			i++
			if err := c.hold(i); err != nil {
				return err
			}
		}
		if winner, best = c.lowest(i); best > 0 {
			c.points[winner-c.base]++
		}
	}
	return nil
}

// passZeros makes sure that ranks from i on are held, as hold does, or from a
// later offset on, which it returns, where nothing but zeros lies between.
//
// Windows of zeros have no entropy, so their rank is 0, and no offset whose
// competitors all have that wins a point: nothing happens there. The offset is
// one at which entropy is worked out anew, so that it does not matter what was
// before.
func (c *chunk) passZeros(i int64) (int64, error) {
	if c.holds(i) {
		return i, nil
	}
	if err := c.hold(i); err != nil || c.rank[i-c.base] != 0 {
		return i, err
	}
	n := c.zerosFrom(i)
	to := (i + n - 2*sdWindow) &^ (sdResync - 1) // its competitors are windows of zeros, too
	if to <= i+sdResync {
		return i, nil
	}
	c.tell(i)
	c.base, c.told = to, to
	c.data, c.rank, c.points = c.data[:0], c.rank[:0], c.points[:0]
	return to, c.hold(to)
}

// zerosFrom returns how many bytes of the chunk from i on, which is held, are
// zeros, as far as that is known or held.
func (c *chunk) zerosFrom(i int64) int64 {
	held := c.data[i-c.base:]
	n := 0
	for n < len(held) && sparse.AllZero(held[n:min(n+sdWindow, len(held))]) {
		n = min(n+sdWindow, len(held))
	}
	if n < sdWindow {
		return 0 // the window at i is none of zeros
	}
	return int64(n) + sparse.ZeroRun(c.r, c.off+i+int64(n), c.size-i-int64(n))
}

// lowest returns the winner among the windows that begin from i on, and its
// rank. Rank 0 never wins, except against what follows if it is the first.
func (c *chunk) lowest(i int64) (winner int64, best uint16) {
	ranks := c.rank[i-c.base:][:sdWindow]
	at, best := 0, ranks[0]
	for j, r := range ranks[1:] {
		if r < best && r > 0 || r == best && at == j {
			at, best = j+1, r
		}
	}
	return i + int64(at), best
}

// rankAt returns the rank of an offset that is held; past the end it is 0.
func (c *chunk) rankAt(i int64) uint16 {
	if i -= c.base; i < int64(len(c.rank)) {
		return c.rank[i]
	}
	return 0
}

// holds reports whether the ranks that hold makes sure of are held.
func (c *chunk) holds(i int64) bool {
	end := c.base + int64(len(c.rank))
	return i+sdWindow < end || end == c.size
}

// hold makes sure that ranks from i on to a window beyond are held.
func (c *chunk) hold(i int64) error {
	if c.holds(i) {
		return nil
	}
	end := c.base + int64(len(c.rank))
	c.tell(i)
	keep := copy(c.data, c.data[i-c.base:])
	copy(c.rank, c.rank[i-c.base:])
	copy(c.points, c.points[i-c.base:])
	c.base = i
	// Ranks need the window after them, so data reach further than ranks.
	ranked := int(end - i)
	total := int(min(sdBlock+2*sdWindow, c.size-i))
	c.data = grow(c.data, keep, total)
	c.rank, c.points = grow(c.rank, ranked, total), grow(c.points, ranked, total)
	if err := readFull(c.r, c.data[keep:], c.off+i+int64(keep)); err != nil {
		return err
	}
	if i+int64(total) < c.size {
		total -= sdWindow
		c.rank, c.points = c.rank[:total], c.points[:total]
	}
	c.rankFrom(ranked)
	return nil
}

// grow returns s with its first keep elements, then zeros, n in all.
func grow[E byte | uint16](s []E, keep, n int) []E {
	if cap(s) < n {
		s = append(make([]E, 0, sdBlock+2*sdWindow), s[:keep]...)
	}
	s = s[:n]
	clear(s[keep:])
	return s
}

// rankFrom ranks what is held from index k on. The last window of the chunk
// has no rank: sdhash leaves it out.
func (c *chunk) rankFrom(k int) {
	for ; k < len(c.rank) && c.base+int64(k) < c.size-sdWindow; k++ {
		if (c.base+int64(k))%sdResync == 0 {
			c.startEntropy(c.data[k:][:sdWindow])
		} else {
			c.slideEntropy(c.data[k-1], c.data[k-1+sdWindow])
		}
		if r := int(c.entr>>rankShift) - firstRanked; r >= 0 && r < len(entropyRanks) {
			c.rank[k] = entropyRanks[r]
		}
	}
}

func (c *chunk) startEntropy(window []byte) {
	c.count = [256]uint8{}
	for _, b := range window {
		c.count[b]++
	}
	c.entr = 0
	for _, n := range c.count {
		c.entr += entropyOf[n]
	}
}

// slideEntropy takes a byte out of the window and another in.
func (c *chunk) slideEntropy(out, in byte) {
	if out == in {
		return
	}
	was, is := c.count[out], c.count[in]
	c.count[out]--
	c.count[in]++
	if was == is+1 {
		return
	}
	c.entr += entropyOf[was-1] - entropyOf[was] + entropyOf[is+1] - entropyOf[is]
	c.entr = min(max(c.entr, 0), entropyScale)
}

// tell reports the features before offset i, whose points are final.
func (c *chunk) tell(i int64) {
	for ; c.told < i; c.told++ {
		if at := c.told - c.base; c.points[at] > sdThreshold {
			c.feature(c.data[at:][:sdWindow])
		}
	}
}
