package format

import (
	"bytes"
	"cmp"
	"slices"
)

// rangeLayout is where a table of page ranges has its fields: a link with the page of the next table and the number of
// ranges, then the ranges with their first page and the one behind the last. The structure is _PO_MEMORY_RANGE_ARRAY, and
// from SP2 of Vista on _PO_MEMORY_RANGE_TABLE.
type rangeLayout struct {
	name              string
	family            string // the versions whose tables look like this, where only the header tells them apart
	word              int
	next, count, link int
	size, start, end  int
	firstTable        int // offset in the header of the file: the page of the first table
	systemTime        int // offset in the header of the file
}

// rangeLayouts lists the versions. Where the tables have their fields is as volatility 2 and rekall have it, each in its
// own list for all of these versions; for the 32-bit table of SP2 of Vista, Microsoft's symbols say the same. Where the
// header has its fields is as the symbols and libhibr's documentation have it. Up to SP1, Vista has the tables of XP: its
// header lost ImageType and padding before SystemTime on 32 bits, so that what follows moved.
func rangeLayouts() []rangeLayout {
	xp := rangeLayout{name: "Windows XP and 2003, 32-bit", family: "Windows XP to Vista SP1, 32-bit", word: 4,
		next: 4, count: 0xc, link: 0x10, size: 0x10, start: 4, end: 8, firstTable: 0x58, systemTime: 0x20}
	vista := xp
	vista.name, vista.firstTable, vista.systemTime = "Windows Vista up to SP1, 32-bit", 0x50, 0x18
	return []rangeLayout{
		xp,
		vista,
		{name: "Windows Vista SP2 and 2008 SP2, 32-bit", word: 4, next: 4, count: 8, link: 0xc, size: 8, start: 0, end: 4, firstTable: 0x50, systemTime: 0x18},
		{name: "Windows 7, 32-bit", word: 4, next: 0, count: 4, link: 8, size: 8, start: 0, end: 4, firstTable: 0x4c, systemTime: 0x18},
		{name: "Windows XP, 2003 and Vista up to SP1, 64-bit", word: 8, next: 8, count: 0x14, link: 0x20, size: 0x20, start: 8, end: 0x10, firstTable: 0x68, systemTime: 0x20},
		{name: "Windows Vista SP2 and 2008 SP2, 64-bit", word: 8, next: 8, count: 0x10, link: 0x18, size: 0x10, start: 0, end: 8, firstTable: 0x68, systemTime: 0x20},
		{name: "Windows 7, 64-bit", word: 8, next: 0, count: 8, link: 0x10, size: 0x10, start: 0, end: 8, firstTable: 0x60, systemTime: 0x20},
	}
}

// most is how many ranges a table has at most.
func (l rangeLayout) most() int { return (pageSize - l.link) / l.size }

// rangeTable is a table of page ranges in a hibernation file.
type rangeTable struct {
	page, next uint64
	ranges     []Range // Addr and Len in pages
	pages      uint64
}

// openRanges opens the files of Windows XP to 7; the image is nil when there are no tables.
func (h *hiberFile) openRanges() (*Image, error) {
	for _, find := range []func() []rangesFound{h.namedTables, h.searchedTables} {
		if found := find(); len(found) > 0 {
			return h.readTables(h.best(found))
		}
	}
	return nil, nil
}

// rangesFound is a first table, as one layout has it.
type rangesFound struct {
	layout rangeLayout
	page   uint64
	how    counting
}

// namedTables returns the tables where the header has the first one.
func (h *hiberFile) namedTables() []rangesFound {
	var out []rangesFound
	for _, l := range rangeLayouts() {
		out = append(out, h.fits(l, uint64(h.head.u32(l.firstTable)))...)
	}
	return out
}

// searchedTables returns those on the first page that a block follows, for files with a wiped header.
func (h *hiberFile) searchedTables() []rangesFound {
	for page := uint64(1); page < hiberSearch; page++ {
		if !h.blockAt(int64(page+1) * pageSize) {
			continue
		}
		var out []rangesFound
		for _, l := range rangeLayouts() {
			l.name = cmp.Or(l.family, l.name)
			if !slices.ContainsFunc(out, func(f rangesFound) bool { return f.layout.name == l.name }) {
				out = append(out, h.fits(l, page)...)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// fits returns the table on a page, if it has that layout.
func (h *hiberFile) fits(l rangeLayout, page uint64) []rangesFound {
	if page == 0 || page >= maxPhysical/pageSize || !h.blockAt(int64(page+1)*pageSize) {
		return nil
	}
	t, ok := h.table(l, page)
	if !ok || len(t.ranges) == 0 {
		return nil
	}
	for _, how := range []counting{byHeader, bySixteen} {
		if h.agrees(t, how) {
			return []rangesFound{{l, page, how}}
		}
	}
	return nil
}

// best returns the table that most speaks for. Read with another layout, a table is nearly always refused; but a small
// one, or the first of several, may be sound in two.
func (h *hiberFile) best(found []rangesFound) rangesFound {
	slices.SortStableFunc(found, func(a, b rangesFound) int { return slices.Compare(h.evidence(b), h.evidence(a)) })
	if len(found) > 1 && slices.Equal(h.evidence(found[0]), h.evidence(found[1])) {
		h.note("The tables of page ranges could be those of %s or of %s; the first is assumed.", found[0].layout.name, found[1].layout.name)
	}
	return found[0]
}

// evidence is what speaks for a table, the strongest first: its blocks have as many pages as their headers say; the
// tables behind it are sound, too; there is a processor's state of that word size; and nothing lies behind its ranges.
func (h *hiberFile) evidence(f rangesFound) []int {
	l := f.layout
	t, _ := h.table(l, f.page)
	used := l.link + len(t.ranges)*l.size
	rest, _ := readUpTo(h, int64(f.page)*pageSize+int64(used), pageSize-used)
	return []int{-int(f.how), h.soundTables(f), len(h.processors(l)), -len(bytes.Trim(rest, "\x00"))}
}

// soundTables returns how many tables follow each other, of the first few.
func (h *hiberFile) soundTables(f rangesFound) int {
	const few = 4
	for n := range few {
		t, ok := h.table(f.layout, f.page)
		if !ok || !h.agrees(t, f.how) {
			return n
		}
		if f.page = t.next; f.page == 0 {
			break
		}
	}
	return few // the end is as good as any number
}

// blockAt tells whether an Xpress block begins at that offset.
func (h *hiberFile) blockAt(at int64) bool {
	b, err := readUpTo(h, at, len(xpressMagic))
	return err == nil && b.has(0, xpressMagic)
}

// table reads a table, if its numbers can be true. It may be empty: Windows makes more tables than it needs, and links
// them all.
func (h *hiberFile) table(l rangeLayout, page uint64) (rangeTable, bool) {
	t := rangeTable{page: page}
	f, err := readUpTo(h, int64(page)*pageSize, pageSize)
	if err != nil || len(f) < pageSize {
		return t, false
	}
	n := int(f.u32(l.count))
	t.next = word(f, l.next, l.word)
	if n < 0 || n > l.most() || t.next != 0 && (t.next <= page || t.next >= maxPhysical/pageSize) {
		return t, false
	}
	for i := range n {
		at := l.link + i*l.size
		start, end := word(f, at+l.start, l.word), word(f, at+l.end, l.word)
		if end <= start || end > maxPhysical/pageSize {
			return t, false
		}
		t.ranges = append(t.ranges, Range{Addr: start, Len: end - start})
		t.pages += end - start
	}
	return t, true
}

// agrees tells whether as many blocks follow a table as its ranges need, and no more: the layouts of the versions are
// told apart by that.
func (h *hiberFile) agrees(t rangeTable, how counting) bool {
	at := int64(t.page+1) * pageSize
	for left := t.pages; left > 0; {
		b, ok := h.xpressBlock(at)
		if !ok {
			return at >= h.Size() // truncated: it agrees as far as can be known
		}
		pages := b.count(how, left)
		if pages > min(left, hiberPages) {
			return false
		}
		left -= pages
		at = b.next
	}
	return !h.blockAt(at)
}

// readTables follows the chain of tables, as the boot loader of Windows does: to the one without a next.
func (h *hiberFile) readTables(f rangesFound) (*Image, error) {
	l, full := f.layout, true
	for page := f.page; page != 0; {
		t, ok := h.table(l, page)
		if !ok {
			h.noTable(page, full)
			break
		}
		if !h.readBlocks(t, f.how) {
			break
		}
		full = len(t.ranges) == l.most()
		page = t.next
	}
	im, err := h.image(l.name, l.word == 8, l.systemTime)
	if err == nil {
		im.Hints.CPUs = h.processors(l)
	}
	return im, err
}

// noTable says that a table is not there. Behind one that is not full there are only empty ones.
func (h *hiberFile) noTable(page uint64, needed bool) {
	if page >= uint64(h.Size())/pageSize {
		h.cutBefore((page+1)*pageSize, "before a table of page ranges")
	}
	missing := "the memory behind it is missing"
	if !needed {
		missing = "the table before it is not full, so that no memory should be missing"
	}
	h.note("The table of page ranges at page %#x of the file is damaged or truncated: %s.", page, missing)
}

// readBlocks places the ranges of a table, whose pages follow each other in blocks of up to 16.
func (h *hiberFile) readBlocks(t rangeTable, how counting) bool {
	at := int64(t.page+1) * pageSize
	begin, placed := h.index.end(), uint64(0)
	good := true
	for placed < t.pages && good {
		b, ok := h.xpressBlock(at)
		pages := b.count(how, t.pages-placed)
		if !ok || pages > min(t.pages-placed, hiberPages) || len(h.parts) >= maxBlocks || b.end() > h.Size() {
			if !ok && at+xpressHeader > h.Size() || ok && b.end() > h.Size() {
				h.cutWithin("within the pages of the table at page %#x", t.page)
			}
			h.note("After %d of %d pages of the table at page %#x the blocks end at offset %#x: the file is truncated or damaged, and what follows is missing.", placed, t.pages, t.page, at)
			good = false
			break
		}
		kind := hiberLZ77
		if uint64(b.size) == pages*pageSize {
			kind = hiberStored
		}
		h.add(b.at, int(b.size), int(pages), kind)
		placed += pages
		at = b.next
	}
	h.placeRanges(t, begin, placed)
	return good
}

// placeRanges places the ranges of a table as far as pages of it are there, from an offset of the stream on.
func (h *hiberFile) placeRanges(t rangeTable, off int64, pages uint64) {
	for _, r := range t.ranges {
		n := min(r.Len, pages)
		h.place(r.Addr, n, off)
		if n < r.Len {
			h.layout.miss((r.Addr+n)*pageSize, (r.Len-n)*pageSize)
		}
		off += int64(n) * pageSize
		pages -= n
	}
}

// processors returns the state that the processor was saved in (_KPROCESSOR_STATE), which lies in a page between the
// header and the tables, if one there looks like it: page 2 up to 2003, then 4, and 1 from SP1 of Vista on.
func (h *hiberFile) processors(l rangeLayout) []CPU {
	registers := 0x2cc // KSPECIAL_REGISTERS behind CONTEXT
	if l.word == 8 {
		registers = 0
	}
	for page := int64(1); page < 8; page++ {
		f, err := readUpTo(h, page*pageSize+int64(registers), 4*l.word)
		if err != nil {
			return nil
		}
		cr := func(i int) uint64 { return word(f, i*l.word, l.word) }
		c := CPU{CR0: cr(0), CR2: cr(1), CR3: cr(2), CR4: cr(3)}
		if c.CR0&0x80000001 == 0x80000001 && c.CR0>>32 == 0 && isRoot(c, l.word) && c.CR4 < 1<<24 {
			return []CPU{c}
		}
	}
	return nil
}

// isRoot tells whether CR3 can lead to page tables. With PAE, which is bit 5 of CR4, 32-bit Windows keeps the tables it
// leads to at any multiple of 32, not of 4096. Bits 3 and 4 are flags.
func isRoot(c CPU, word int) bool {
	const flags = 0x18
	align := uint64(pageSize)
	if word == 4 && c.CR4&0x20 != 0 {
		align = 32
	}
	return c.CR3 != 0 && c.CR3 < maxPhysical && c.CR3&(align-1)&^flags == 0
}
