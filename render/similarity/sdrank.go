package similarity

import "sync"

// unranked is the rank of a window that is never chosen: a window with very low or the highest entropy. It is worse
// than any other.
const unranked = (1<<(15-rankSpare) - 1) << rankSpare

// rankTables are the tables in which ranks are looked up.
type rankTables struct {
	gain [256]int32   // of entropy, when one more of a byte comes in; by how many of it are in the window
	rank [1024]uint16 // << rankSpare, by entropy >> rankShift
}

// newRankTables returns the tables, which are computed from the format's tables.
var newRankTables = sync.OnceValue(func() *rankTables {
	t := new(rankTables)
	for n := range sdWindow {
		t.gain[n] = entropyOf[n+1] - entropyOf[n]
	}
	for i := range t.rank {
		t.rank[i] = unranked
		if r := i - firstRanked; r >= 0 && r < len(entropyRanks) {
			t.rank[i] = entropyRanks[r] << rankSpare
		}
	}
	return t
})

// ranker ranks windows by their entropy, one after the other. An entropy is the sum of integers that depend on the
// window alone, so updating it byte by byte gives the same result as in sdhash, which computes it anew now and then.
type ranker struct {
	*rankTables
	last window // that was ranked last
}

func newRanker() *ranker { return &ranker{rankTables: newRankTables()} }

// window holds counts of the bytes of a window.
type window struct {
	count   [256]uint8 // of each byte
	entropy int32
}

func windowOf(data []byte) (w window) {
	for _, b := range data[:sdWindow] {
		w.count[b]++
	}
	for _, n := range w.count {
		w.entropy += entropyOf[n]
	}
	return w
}

// rank ranks the windows of data that begin from offset from on, each followed by at least one byte more. From is 0,
// or the offset after the last ranked one.
func (r *ranker) rank(out []uint16, data []byte, from int) {
	if from == 0 {
		r.last = windowOf(data)
		out[0] = r.of(r.last.entropy)
		out, from = out[1:], 1
	}
	gone, come := data[from-1:][:len(out)], data[from-1+sdWindow:][:len(out)]
	entropy := r.last.entropy
	for i := range out {
		entropy += r.slide(&r.last, gone[i], come[i])
		out[i] = r.of(entropy)
	}
	r.last.entropy = entropy
}

// rankStretch is rank for a whole stretch, from the second window on. Its four quarters are ranked at the same time,
// which keeps the processor busy: within a quarter, a window waits for the window before it.
func (r *ranker) rankStretch(out *[sdStretch]uint16, data *[sdHeld]byte) {
	const n, from, to = sdStretch / 4, sdWindow - 1, 2*sdWindow - 1
	w := &[4]window{r.last, windowOf(data[from+n:]), windowOf(data[from+2*n:]), windowOf(data[from+3*n:])}
	e0, e1, e2, e3 := w[0].entropy, w[1].entropy, w[2].entropy, w[3].entropy
	for i := range n {
		e0 += r.slide(&w[0], data[from+i], data[to+i])
		e1 += r.slide(&w[1], data[from+n+i], data[to+n+i])
		e2 += r.slide(&w[2], data[from+2*n+i], data[to+2*n+i])
		e3 += r.slide(&w[3], data[from+3*n+i], data[to+3*n+i])
		out[i], out[n+i], out[2*n+i], out[3*n+i] = r.of(e0), r.of(e1), r.of(e2), r.of(e3)
	}
	r.last = w[3]
	r.last.entropy = e3
}

// of returns the rank of a window by its entropy.
func (t *rankTables) of(entropy int32) uint16 { return t.rank[entropy>>rankShift&1023] }

// slide takes a byte out of a window and another in, and returns the gain of entropy.
func (t *rankTables) slide(w *window, gone, come byte) int32 {
	less := w.count[gone] - 1
	w.count[gone] = less
	was := w.count[come]
	w.count[come] = was + 1
	return t.gain[was] - t.gain[less]
}
