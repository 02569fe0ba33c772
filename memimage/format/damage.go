package format

import "fmt"

// numberSet is a set of numbers that are not negative. A hostile header may promise a block of any number: the set
// takes memory for the numbers in it, and not for all numbers up to the largest.
type numberSet struct {
	words map[int]uint64 // 64 numbers each
	n     int
}

// add adds i to the set.
func (s *numberSet) add(i int) {
	if s.has(i) {
		return
	}
	if s.words == nil {
		s.words = map[int]uint64{}
	}
	s.words[i/64] |= 1 << (i % 64)
	s.n++
}

// has reports whether i is in the set.
func (s *numberSet) has(i int) bool { return s.words[i/64]>>(i%64)&1 != 0 }

// firstBad returns the damaged block with the lowest number, among the blocks whose reason is remembered.
func (b *blocks) firstBad() (first int, why error) {
	for i, err := range b.bad {
		if why == nil || i < first {
			first, why = i, err
		}
	}
	return first, why
}

// tried returns a sentence on how many blocks cannot be unpacked; empty when every block that was tried could be
// unpacked. kind is the word for the blocks.
func (b *blocks) tried(kind string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	failed, tried, total := b.failed.n, b.failed.n+b.sound.n, b.index.count()
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
	first, why := b.firstBad()
	return fmt.Sprintf("%s be unpacked: these bytes are missing. The first, block %d: %s.", how, first, sentence(why))
}

// watched holds the blocks of a container, with the word for them.
type watched struct {
	kind string
	*blocks
}

// watch makes the image report blocks that cannot be unpacked. kind is the word for the blocks, in the plural.
func (in *input) watch(kind string, b *blocks) *blocks {
	in.watched = append(in.watched, watched{kind, b})
	return b
}

// Damage says in sentences which parts of the container were found damaged so far: the damage of a block is known
// only when the block was read.
func (im *Image) Damage() []string {
	var out []string
	for _, w := range im.watched {
		if s := w.tried(w.kind); s != "" {
			out = append(out, s)
		}
	}
	return out
}
