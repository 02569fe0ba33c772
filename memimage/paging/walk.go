package paging

import "encoding/binary"

// Frame is a table, or a large page, that a walk comes to. It is the same frame wherever page directories share it.
type Frame struct {
	Mode  *Mode
	Level int // of the table, 0 for the root; of a large page the level of its entry, and Large is set
	Large bool
	PA    Phys
}

// Walk is a walk over the pages of 4 KiB that valid entries map from From on, up to but not including To, in the order of
// addresses.
type Walk struct {
	From, To Virt
	// Enter is called for each frame that the walk comes to; false: the walk skips the frame.
	Enter func(Frame) bool
	// Skip is called for each valid entry, of tables and of pages; true: the walk skips the memory that it maps. nil:
	// it skips none.
	Skip func(entry uint64) bool
	// Reads says that the pages are read, too: pages that are slow to read are requested ahead.
	Reads bool
	// Page is called for each page; false ends the walk.
	Page func(va Virt, pa Phys) bool
	// Leave is called for each frame that was entered and walked to its end; whole says that the whole table, and all
	// entered tables below it, could be read.
	Leave func(f Frame, whole bool)
}

// Walk walks all memory that the page tables map. It reads only tables, and follows neither prototype entries nor
// tables in transition.
func (s *Space) Walk(w *Walk) {
	if s.dumped {
		return
	}
	t := &tableWalk{Walk: w, space: s, tables: make([][]byte, len(s.mode.Levels))}
	t.table(0, s.root, 0)
}

// tableWalk is a walk under way.
type tableWalk struct {
	*Walk
	space  *Space
	tables [][]byte // the table of each level that the walk is in
}

// outcome is how a frame was walked.
type outcome struct{ ended, whole bool }

// table walks the table of a level at pa, which maps the addresses from va on.
func (t *tableWalk) table(level int, pa Phys, va Virt) outcome {
	f := Frame{Mode: t.space.mode, Level: level, PA: pa}
	if !t.Enter(f) {
		return outcome{whole: true}
	}
	out := outcome{whole: t.read(level, pa)}
	l := t.space.mode.Levels[level]
	ahead := t.ahead(level, va)
	for i := range Virt(1) << l.Bits {
		ahead.pass(int(i))
		at := t.space.mode.Canonicalize(va | i<<l.Shift)
		entry := t.entry(level, int(i))
		if !t.space.mode.valid(level, entry) || at >= t.To || at+(1<<l.Shift-1) < t.From || t.Skip != nil && t.Skip(entry) {
			continue
		}
		below := t.follow(level, entry, at)
		if out.whole = out.whole && below.whole; below.ended {
			return outcome{ended: true}
		}
	}
	t.Leave(f, out.whole)
	return out
}

// follow walks the memory that a valid entry of a level maps at va.
func (t *tableWalk) follow(level int, entry uint64, va Virt) outcome {
	m := t.space.mode
	l := m.Levels[level]
	switch {
	case level == m.last():
		return outcome{ended: va >= t.From && !t.Page(va, m.frame(entry, l.Shift)), whole: true}
	case m.maps(level, entry):
		return t.large(level, m.frame(entry, l.Shift), va)
	}
	return t.table(level+1, m.frame(entry, 12), va)
}

// large walks a large page.
func (t *tableWalk) large(level int, pa Phys, va Virt) outcome {
	f := Frame{Mode: t.space.mode, Level: level, Large: true, PA: pa}
	if !t.Enter(f) {
		return outcome{whole: true}
	}
	for off := Virt(0); off < 1<<t.space.mode.Levels[level].Shift; off += pageSize {
		if at := va + off; at >= t.From && at < t.To && !t.Page(at, pa+Phys(off)) {
			return outcome{ended: true}
		}
	}
	t.Leave(f, true)
	return outcome{whole: true}
}

// read reads the table of a level; entries that cannot be read are zeros. It reports whether all can be read.
func (t *tableWalk) read(level int, pa Phys) bool {
	if t.tables[level] == nil { // most walks enter few levels
		t.tables[level] = make([]byte, t.space.mode.EntrySize<<t.space.mode.Levels[level].Bits)
	}
	b := t.tables[level]
	n, err := readFull(t.space.mem, b, int64(pa))
	if err == nil {
		return true
	}
	size := t.space.mode.EntrySize
	for n -= n % size; n < len(b); n += size {
		gap, missing := t.space.mem.Probe(int64(pa) + int64(n))
		if missing == nil {
			if _, err := readFull(t.space.mem, b[n:n+size], int64(pa)+int64(n)); err == nil {
				continue
			}
		}
		lost := max(size, int(min(gap, int64(len(b)-n)))/size*size)
		if missing == nil {
			lost = size
		}
		clear(b[n : n+lost])
		n += lost - size
	}
	return false
}

// entry returns an entry of the table of a level.
func (t *tableWalk) entry(level, i int) uint64 {
	b := t.tables[level]
	if t.space.mode.EntrySize == 4 {
		return uint64(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return binary.LittleEndian.Uint64(b[8*i:])
}

// ReadPhys reads the physical memory that the space's tables and pages lie in.
func (s *Space) ReadPhys(p []byte, pa Phys) (int, error) { return readFull(s.mem, p, int64(pa)) }
