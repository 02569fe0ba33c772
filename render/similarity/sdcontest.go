package similarity

import "math/bits"

// ranks are the ranks of the held windows, with room for the ranks that a window reaches beyond.
type ranks [sdHeld + 2*sdWindow]uint16

// contest is the competition of windows for points. Offsets count from the start of the held bytes.
type contest struct {
	rank   ranks
	points [sdHeld]uint8 // at most 65: a window has so many competitions
	next   int           // the offset at which windows compete next
	winner int           // of the competition before
	best   uint16        // its rank; unranked: nobody won

	// Facts about the windows that take part: the windows that have joined since the first of the best was looked for
	// are not better, except for one window, which is not looked at.
	first   int // the last of the neighbours of the first best window that are as good
	skipped int // the window that is not looked at
}

// restart forgets everything.
func (c *contest) restart() {
	clear(c.points[:])
	c.next, c.best = 0, unranked
}

// drop drops the first n of the ranked offsets.
func (c *contest) drop(n, ranked int) {
	copy(c.rank[:], c.rank[n:ranked])
	copy(c.points[:], c.points[n:ranked])
	clear(c.points[ranked-n : ranked])
	c.next, c.winner, c.first, c.skipped = c.next-n, c.winner-n, c.first-n, c.skipped-n
}

// finish holds all competitions before an offset from which on there are no
// ranks.
func (c *contest) finish(to int) {
	for i := range 2 * sdWindow {
		c.rank[to+i] = unranked
	}
	c.run(to)
}

// run holds the competitions at all offsets before to. The ranks of a window beyond are known. The winner wins again
// as long as the windows that join are worse. sdhash looks only at the window that is a full window ahead: it does
// not look at a window that joined directly after a choice.
func (c *contest) run(to int) {
	i, winner, first, skipped, best := c.next, c.winner, c.first, c.skipped, c.best
	for ; i < to; i++ {
		if i < winner && best != unranked {
			end := min(winner, to)
			again := noWorse(&c.rank, best, i+sdWindow, end+sdWindow) - sdWindow
			c.points[winner] += uint8(again - i)
			if i = again; i == to {
				break
			}
			if i < end && c.rank[i+sdWindow] == best {
				winner = i + sdWindow
				c.points[winner]++
				continue
			}
		}
		switch {
		case c.rank[i] == unranked: // it wins against all later windows, and then none wins
			best = unranked
			continue
		case best == unranked || i > first:
			first, best = lowest((*[sdWindow]uint16)(c.rank[i:]))
			first += i
		default:
			if skipped == first+1 && c.rank[skipped] == best {
				first = c.touching(first, best, i+sdWindow)
			}
			if r := c.rank[skipped]; r < best {
				first, best = skipped, r
			}
		}
		winner, skipped = first, i+sdWindow
		c.points[winner]++
	}
	c.next, c.winner, c.first, c.skipped, c.best = i, winner, first, skipped, best
}

// touching returns the last offset before end in the unbroken row of ranks equal to best that begins at offset at.
func (c *contest) touching(at int, best uint16, end int) int {
	for at+1 < end && c.rank[at+1] == best {
		at++
	}
	return at
}

// Ranks are looked at four at a time: in one word, each in 15 bits of 16. The lowest rankSpare of these bits are not
// in use.
const (
	everyRank = 0x0001000100010001
	rankTops  = everyRank << 15
	rankSpare = 4
)

func four(r []uint16) uint64 {
	r = r[:4]
	return uint64(r[0]) | uint64(r[1])<<16 | uint64(r[2])<<32 | uint64(r[3])<<48
}

// noWorse returns the first offset from i to before end whose rank is as good as best, or none; end if there is none.
func noWorse(r *ranks, best uint16, i, end int) int {
	most := uint64(best)*everyRank | rankTops
	for ; i < end; i += 4 {
		x := four(r[i:])
		if found := ((most - x) | (x + everyRank<<rankSpare)) & rankTops; found != 0 {
			return min(i+bits.TrailingZeros64(found)/16, end)
		}
	}
	return end
}

// lowest returns the lowest of the first sdWindow ranks, and the index of the last window in the unbroken row of this
// rank that begins at the first such window.
func lowest(r *[sdWindow]uint16) (at int, best uint16) {
	a, b := four(r[:]), four(r[4:])+everyRank
	c, d := four(r[8:])+2*everyRank, four(r[12:])+3*everyRank
	for i := 16; i <= sdWindow-16; i += 16 {
		n := uint64(i/4) * everyRank
		a, b = lower(a, four(r[i:])+n), lower(b, four(r[i+4:])+n+everyRank)
		c, d = lower(c, four(r[i+8:])+n+2*everyRank), lower(d, four(r[i+12:])+n+3*everyRank)
	}
	a = lower(lower(a, b), lower(c, d))
	first := min(uint32(a&0x7fff)<<2, uint32(a>>16&0x7fff)<<2|1, uint32(a>>32&0x7fff)<<2|2, uint32(a>>48)<<2|3)
	at, best = int(first&63), uint16(first>>6<<4)
	for at+1 < sdWindow && r[at+1] == best {
		at++
	}
	return at, best
}

// lower returns the lower of each pair of ranks.
func lower(a, b uint64) uint64 {
	not := ((a | rankTops) - b) & rankTops
	not -= not >> 15 // all bits of the ranks where b is no higher
	return a ^ (a^b)&not
}
