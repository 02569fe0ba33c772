package format

const (
	xpressMagic  = "\x81\x81xpress"
	xpressHeader = 0x20
	// xpressGap is how far a block is looked for behind the place where it should be, in bytes.
	xpressGap = 16 << 10
)

// rangeLayout is where a table of page ranges has its fields (_PO_MEMORY_RANGE_ARRAY): a link with the page of the
// next table and the number of ranges, then the ranges with their first page and the one behind the last.
type rangeLayout struct {
	name              string
	word              int
	next, count, link int
	size, start, end  int
	systemTime        int // offset in the header of the file
}

func rangeLayouts() []rangeLayout {
	return []rangeLayout{
		{name: "Windows XP to Vista, 32-bit", word: 4, next: 4, count: 0xc, link: 0x10, size: 0x10, start: 4, end: 8, systemTime: 0x20},
		{name: "Windows 7, 32-bit", word: 4, next: 0, count: 4, link: 8, size: 8, start: 0, end: 4, systemTime: 0x18},
		{name: "Windows XP and 2003, 64-bit", word: 8, next: 8, count: 0x14, link: 0x20, size: 0x20, start: 8, end: 0x10, systemTime: 0x20},
		{name: "Windows Vista, 64-bit", word: 8, next: 8, count: 0x10, link: 0x18, size: 0x10, start: 0, end: 8, systemTime: 0x20},
		{name: "Windows 7, 64-bit", word: 8, next: 0, count: 8, link: 0x10, size: 0x10, start: 0, end: 8, systemTime: 0x20},
	}
}

// rangeTable is a table of page ranges in a hibernation file.
type rangeTable struct {
	page, next uint64
	ranges     []Range // Addr and Len in pages
	pages      uint64
}

// openRanges opens the files of Windows XP to 7; the image is nil when there are no tables.
func (h *hiberFile) openRanges() (*Image, error) {
	for _, page := range h.firstTables() {
		for _, l := range rangeLayouts() {
			if t, ok := h.table(l, page); ok && h.agrees(t) {
				return h.readTables(l, page)
			}
		}
	}
	return nil, nil
}

// firstTables returns the pages behind which Xpress blocks begin: where the header of some version says it, then by
// searching, since the header may be wiped.
func (h *hiberFile) firstTables() []uint64 {
	var pages []uint64
	for _, off := range []int{0x58, 0x4c, 0x60, 0x68, 0x50, 0x54} {
		if page := uint64(h.head.u32(off)); page > 0 && page < maxPhysical/pageSize && h.blockAt(int64(page+1)*pageSize) {
			pages = append(pages, page)
		}
	}
	for page := uint64(1); page < hiberSearch; page++ {
		if h.blockAt(int64(page+1) * pageSize) {
			return append(pages, page)
		}
	}
	return pages
}

// blockAt tells whether an Xpress block begins at that offset.
func (h *hiberFile) blockAt(at int64) bool {
	b, err := readUpTo(h, at, len(xpressMagic))
	return err == nil && b.has(0, xpressMagic)
}

// table reads a table, if its numbers can be true.
func (h *hiberFile) table(l rangeLayout, page uint64) (rangeTable, bool) {
	t := rangeTable{page: page}
	f, err := readUpTo(h, int64(page)*pageSize, pageSize)
	if err != nil || len(f) < pageSize {
		return t, false
	}
	n := int(f.u32(l.count))
	t.next = word(f, l.next, l.word)
	if n <= 0 || n > (pageSize-l.link)/l.size || t.next != 0 && (t.next <= page || t.next >= maxPhysical/pageSize) {
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
func (h *hiberFile) agrees(t rangeTable) bool {
	at := int64(t.page+1) * pageSize
	for left := t.pages; left > 0; left -= min(left, hiberPages) {
		_, next, ok := h.xpressBlock(at)
		if !ok {
			return at >= h.Size() // truncated: it agrees as far as can be known
		}
		at = next
	}
	return !h.blockAt(at)
}

// xpressBlock reads the header of the block at that offset or a little behind it: in 32 bits behind the magic, the
// upper 22 are its packed size less one. It returns the block's data and where the next block should be.
func (h *hiberFile) xpressBlock(at int64) (data Range, next int64, ok bool) {
	f, err := readUpTo(h, at, 12)
	if err != nil {
		return Range{}, 0, false
	}
	for skipped := 0; !f.has(0, xpressMagic); skipped += 8 {
		if len(f) < 12 || skipped > xpressGap {
			return Range{}, 0, false
		}
		at += 8
		if f, err = readUpTo(h, at, 12); err != nil {
			return Range{}, 0, false
		}
	}
	size := int64(f.u32(8)>>10) + 1
	if size > hiberBlock {
		return Range{}, 0, false
	}
	return Range{Off: uint64(at + xpressHeader), Len: uint64(size)}, at + xpressHeader + (size+7)&^7, true
}

// readTables follows the chain of tables.
func (h *hiberFile) readTables(l rangeLayout, page uint64) (*Image, error) {
	for page != 0 {
		t, ok := h.table(l, page)
		if !ok {
			if page >= uint64(h.Size())/pageSize {
				h.cutBefore((page+1)*pageSize, "before a table of page ranges")
			}
			h.note("The table of page ranges at page %#x of the file is damaged or truncated: the memory behind it is missing.", page)
			break
		}
		if !h.readBlocks(t) {
			break
		}
		page = t.next
	}
	im, err := h.image(l.name, l.word == 8, l.systemTime)
	if err == nil {
		im.Hints.CPUs = h.processors(l)
	}
	return im, err
}

// readBlocks places the ranges of a table, whose pages come in blocks of 16.
func (h *hiberFile) readBlocks(t rangeTable) bool {
	at := int64(t.page+1) * pageSize
	begin, placed := h.index.end(), uint64(0)
	good := true
	for placed < t.pages && good {
		data, next, ok := h.xpressBlock(at)
		pages := min(t.pages-placed, hiberPages)
		if !ok || len(h.parts) >= maxBlocks || int64(data.Off+data.Len) > h.Size() {
			if end := at + xpressHeader; !ok && end > h.Size() || ok && int64(data.Off+data.Len) > h.Size() {
				h.cutWithin("within the pages of the table at page %#x", t.page)
			}
			h.note("After %d of %d pages of the table at page %#x the blocks end at offset %#x: the file is truncated or damaged, and what follows is missing.", placed, t.pages, t.page, at)
			good = false
			break
		}
		kind := hiberLZ77
		if data.Len == pages*pageSize {
			kind = hiberStored
		}
		h.add(int64(data.Off), int(data.Len), int(pages), kind)
		placed += pages
		at = next
	}
	off := begin
	for _, r := range t.ranges {
		n := min(r.Len, placed)
		h.place(r.Addr, n, off)
		if n < r.Len {
			h.layout.miss((r.Addr+n)*pageSize, (r.Len-n)*pageSize)
		}
		off += int64(n) * pageSize
		placed -= n
	}
	return good
}

// processors returns the state that the processor was saved in (_KPROCESSOR_STATE), which lies in a page between the
// header and the tables, if one there looks like it.
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
		if c.CR0&0x80000001 == 0x80000001 && c.CR0>>32 == 0 && c.CR3 != 0 && c.CR3 < maxPhysical && c.CR3&0xfff&^0x38 == 0 && c.CR4 < 1<<24 {
			return []CPU{c}
		}
	}
	return nil
}
