package format

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
)

// tally remembers of each block of a container whether it was unpacked or could not be. It may be used by several
// goroutines at once.
type tally struct {
	mu            sync.Mutex
	tried, failed numberSet
	first         int   // the failed block with the lowest number
	why           error // of it
}

// numberSet is a set of small numbers.
type numberSet struct {
	words []uint64
	n     int
}

// add adds i to the set.
func (b *numberSet) add(i int) {
	for len(b.words) <= i/64 {
		b.words = append(b.words, 0)
	}
	if mask := uint64(1) << (i % 64); b.words[i/64]&mask == 0 {
		b.words[i/64] |= mask
		b.n++
	}
}

// count remembers what unpacking block i led to. An error of the operating system is not the block's.
func (t *tally) count(i int, err error) {
	var system *fs.PathError
	if errors.As(err, &system) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tried.add(i)
	if err == nil {
		return
	}
	t.failed.add(i)
	if t.why == nil || i < t.first {
		t.first, t.why = i, err
	}
}

// sentence says how many of total blocks of a kind cannot be unpacked; empty when all that were tried can be.
func (t *tally) sentence(kind string, total int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	tried, failed := t.tried.n, t.failed.n
	if failed == 0 {
		return ""
	}
	of := fmt.Sprintf("%d %s", total, kind)
	if tried < total {
		of = fmt.Sprintf("%d %s that were tried (of %d)", tried, kind, total)
	}
	how := fmt.Sprintf("%d of the %s cannot", failed, of)
	switch {
	case failed == tried && tried == 1:
		how = fmt.Sprintf("The only one of the %s that was tried (of %d) cannot", kind, total)
	case failed == tried:
		how = fmt.Sprintf("None of the %s can", of)
	}
	return fmt.Sprintf("%s be unpacked: what was in it is missing. The first, block %d: %s.", how, t.first, reason(t.why))
}

// watched are the blocks of a container, with what they are called.
type watched struct {
	kind string
	*blocks
}

// watch has the image tell of blocks that cannot be unpacked. kind is what they are called, in the plural.
func (in *input) watch(kind string, b *blocks) *blocks {
	in.watched = append(in.watched, watched{kind, b})
	return b
}

// Damage says in sentences which parts of the container were found damaged so far: it is known of a block only when it
// was read.
func (im *Image) Damage() []string {
	var out []string
	for _, w := range im.watched {
		if s := w.tally.sentence(w.kind, w.index.count()); s != "" {
			out = append(out, s)
		}
	}
	return out
}
