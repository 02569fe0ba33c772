package format

import (
	"bytes"
	"cmp"
	"slices"
)

// rangeLayout is where a table of page ranges has its fields: a link with the page of the next table and the number
// of ranges, then the ranges, each with its first page and the page behind its last one. The structure is
// _PO_MEMORY_RANGE_ARRAY, and from SP2 of Vista on _PO_MEMORY_RANGE_TABLE.
type rangeLayout struct {
	name              string
	family            string // the versions whose tables look like this, if only the header tells these versions apart
	word              int
	next, count, link int
	size, start, end  int
	firstTable        int // offset in the header of the file: the page of the first table
	systemTime        int // offset in the header of the file
}

// rangeLayouts lists the versions. The offsets in the tables agree with the lists of volatility 2 and of rekall,
// which have all these versions; for the 32-bit table of SP2 of Vista, Microsoft's symbols agree. The offsets in the
// header are from the symbols and from libhibr's documentation. Up to SP1, Vista has the tables of XP. Its 32-bit
// header lost ImageType and padding before SystemTime, so that the fields behind them moved.
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

// openRanges opens the files of Windows XP to 7; the image is nil when there are no tables.
func (h *hiberFile) openRanges() (*Image, error) {
	for _, find := range []func() []rangesFound{h.namedTables, h.searchedTables} {
		if found := find(); len(found) > 0 {
			return h.readTables(h.best(found))
		}
	}
	return nil, nil
}

// rangesFound is a first table, read by one layout.
type rangesFound struct {
	layout rangeLayout
	page   uint64
	how    counting
}

// namedTables returns the tables at the place that the header gives for the first table, one for each layout that
// fits.
func (h *hiberFile) namedTables() []rangesFound {
	var out []rangesFound
	for _, l := range rangeLayouts() {
		out = append(out, h.fits(l, uint64(h.head.u32(l.firstTable)))...)
	}
	return out
}

// searchedTables returns the tables on the first page that a block follows, for files with a wiped header.
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

// best returns the table with the strongest evidence. A table that is read with the wrong layout is nearly always
// refused; but a small table, or the first of several, may be sound in two layouts.
func (h *hiberFile) best(found []rangesFound) rangesFound {
	slices.SortStableFunc(found, func(a, b rangesFound) int { return slices.Compare(h.evidence(b), h.evidence(a)) })
	if len(found) > 1 && slices.Equal(h.evidence(found[0]), h.evidence(found[1])) {
		h.note("The tables of page ranges could be those of %s or of %s; the first is assumed.", found[0].layout.name, found[1].layout.name)
	}
	return found[0]
}

// evidence returns scores for a table, the strongest evidence first: its blocks have as many pages as their headers
// say; the tables behind it are sound, too; there is a processor's state of that word size; and nothing lies behind
// its ranges.
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
	return few // a chain that ends is as good as a long one
}
