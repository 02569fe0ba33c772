package format

// rangeTable is a table of page ranges in a hibernation file.
type rangeTable struct {
	page, next uint64
	ranges     []Range // Addr and Len in pages
	pages      uint64
}

// blockAt reports whether an Xpress block begins at that offset.
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

// agrees reports whether exactly as many blocks follow a table as its ranges need. This tells the layouts of the
// versions apart.
func (h *hiberFile) agrees(t rangeTable, how counting) bool {
	at := int64(t.page+1) * pageSize
	for left := t.pages; left > 0; {
		b, ok := h.xpressBlock(at)
		if !ok {
			return at >= h.Size() // truncated: nothing contradicts it
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

// readTables follows the chain of tables, as the boot loader of Windows does: up to the table without a next one.
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

// noTable notes that a table is missing. Behind a table that is not full there are only empty tables.
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
			h.note("After %d of %d pages of the table at page %#x the blocks end at offset %#x: the file is truncated or damaged, and the rest is missing.", placed, t.pages, t.page, at)
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

// placeRanges places the ranges of a table as far as the stream has their pages, from an offset of the stream on.
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
