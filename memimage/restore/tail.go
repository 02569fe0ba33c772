package restore

// maxTail is how many bytes behind what surely is the file's are looked at.
const maxTail = 1 << 20

// proveEnd looks at the bytes that only an alignment, or SizeOfImage, gives to the file: up to the
// last one that is not zero they are the file's, for behind its end the memory manager puts zeros.
// It must come after readRelocations.
func (w *work) proveEnd() {
	e := &w.extent
	if e.certainty == Exact || e.size-e.certain > maxTail {
		return
	}
	for i := len(w.pieces) - 1; i >= 0 && w.pieces[i].end() > e.certain; i-- {
		p := w.pieces[i]
		for end := min(p.end(), e.size); end > max(p.off, e.certain); {
			begin := max(p.off, e.certain, end-(p.rva+end-p.off-1)%pageSize-1)
			if n := w.lastByte(begin, end, p.rva+begin-p.off); n > 0 {
				e.certain = begin + n
				return
			}
			end = begin
		}
	}
}

// lastByte returns how many of the bytes from file offset begin to end, which lie in one page of
// memory at rva, there are up to the last one that is not zero. Only pages that nobody has written
// to tell, and no relocation.
func (w *work) lastByte(begin, end, rva int64) int64 {
	page := w.memoryPage(uint32(rva))
	if page.Kind != Mapped && page.Kind != FileBytes || page.Modified {
		return 0
	}
	var b [pageSize]byte
	n := end - begin
	if !fill(b[:n], &page, rva%pageSize) {
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
