package restore

import "slices"

// maxTail is how many bytes are looked at behind the bytes that are exactly the file's.
const maxTail = 1 << 20

// trimTail cuts zeros off the last piece that lie behind all raw data and are mapped only because the memory manager
// rounds up to FileAlignment: a file that ends there looks the same in memory.
func (w *work) trimTail() {
	raw := w.h.rawEnd()
	if w.h.mappedAsFile() || len(w.pieces) == 0 {
		return
	}
	last := &w.pieces[len(w.pieces)-1]
	if last.end() <= raw || last.off >= raw || w.claimedBehind(raw) || w.lastIn(*last, raw, last.end(), w.writable(uint32(last.rva))) > 0 {
		return
	}
	w.extent.note("the file may have %#x bytes more, in which no page of the section shows anything but zeros", last.end()-raw)
	pieces := slices.Clone(w.pieces)
	pieces[len(pieces)-1].n = raw - last.off
	w.setPieces(pieces)
}

// claimedBehind reports whether the headers name a range of the file that lies not far behind off.
func (w *work) claimedBehind(off int64) bool {
	return slices.ContainsFunc(w.extent.claims, func(c claim) bool { return !c.raw && c.off >= off && c.end() <= off+maxClaimed })
}

// lastIn returns the file offset behind the last byte of the piece from begin to end that is not zero; 0 when there
// is none. With clean only pages that nobody has written to count.
func (w *work) lastIn(p piece, begin, end int64, clean bool) int64 {
	delta := p.off - p.rva
	begin, end = max(begin, p.off)-delta, min(end, p.end())-delta
	looked := 0
	for at := range w.backwards(begin, end, &looked) {
		from, to := max(begin, at), min(end, at+pageSize)
		if n := w.lastByte(from+delta, to+delta, from, clean); n > 0 {
			return from + delta + n
		}
	}
	return 0
}

// proveEnd looks at the bytes that only an alignment, or SizeOfImage, gives to the file. Up to the last one that is
// not zero they are the file's, because behind its end the memory manager puts zeros. It must come after
// readRelocations.
func (w *work) proveEnd() {
	e := &w.extent
	if e.certainty == Exact || e.size-e.least > maxTail {
		return
	}
	for i := len(w.pieces) - 1; i >= 0 && w.pieces[i].end() > e.least; i-- {
		if end := w.lastIn(w.pieces[i], e.least, e.size, true); end > 0 {
			e.least = end
			return
		}
	}
}

// lastByte returns how many of the bytes from file offset begin to end, which lie in one page of memory at rva, there
// are up to the last one that is not zero. With clean only pages that nobody has written to count, and no
// relocations.
func (w *work) lastByte(begin, end, rva int64, clean bool) int64 {
	if rva >= w.mappedEnd() { // a hostile section may reach beyond the last RVA
		return 0
	}
	page := w.memoryPage(uint32(rva))
	own := (page.Kind == Mapped || page.Kind == FileBytes) && !page.Modified
	if page.Kind == Missing || clean && !own {
		return 0
	}
	var b [pageSize]byte
	n := end - begin
	if !w.fill(b[:n], &page, rva%pageSize) {
		return 0
	}
	for _, s := range w.relocs.touching(uint32(rva) &^ (pageSize - 1)) {
		if int64(s.rva)+int64(s.width()) > rva {
			return 0
		}
	}
	for n > 0 && b[n-1] == 0 {
		n--
	}
	return n
}
