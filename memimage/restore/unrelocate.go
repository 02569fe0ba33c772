package restore

import "encoding/binary"

// relocations undoes the page's base relocations, the last one first: they may overlap.
func (p *pageFix) relocations() {
	known := p.w.relocs.known(p.rva)
	if !p.w.known() {
		if p.row.RelocationsLeft = len(p.slots); len(p.slots) == 0 && !known {
			p.row.RelocationsLeft = -1
		}
		if p.row.RelocationsLeft != 0 {
			p.note(noteBase)
		}
		p.judgeTable(known)
		return
	}
	delta, clear := p.w.delta(p.rva, p.page, p.found[:])
	p.delta = delta
	for i := len(p.slots) - 1; i >= 0; i-- {
		p.undo(p.slots[i])
	}
	if p.delta != 0 && !known {
		p.row.RelocationsLeft = -1
		p.note(noteRelocs)
	}
	p.judgeRelocations(known, clear)
}

// judgeRelocations notes the assumptions behind the page's relocated numbers. known says that the table has all of
// them, clear that they confirm the distance by which they were moved back. The pages of an image section were never
// relocated before Windows Vista.
func (p *pageFix) judgeRelocations(known, clear bool) {
	if p.page.Kind == Mapped && !p.w.in.KernelRelocates && p.delta == 0 {
		return
	}
	p.judgeTable(known)
	if known && len(p.slots) == 0 {
		return
	}
	if p.w.certainty == Assumed {
		p.note(p.w.noteAssumed())
	}
	if !clear || p.page.Kind == Mapped && !p.w.sectionSure {
		p.note(noteVotes)
	}
}

// undo subtracts the loader's addend from one slot. A slot that was overwritten is left as it is, except in code:
// code may hold addresses relative to addresses outside the image, so it is undone there, and listed all the same.
func (p *pageFix) undo(s slot) {
	at := int(int64(s.rva) - int64(p.rva))
	if p.filled[at] {
		return
	}
	if p.wasOverwritten(s, at) {
		if p.overwritten == nil {
			p.overwritten = map[int]bool{}
		}
		p.overwritten[at] = true
		if !p.w.isCode(p.rva) {
			return
		}
	}
	switch {
	case p.delta == 0:
	case at < 0:
		p.undoEnd(s, -at)
	default:
		// The low bytes do not depend on the high ones, which may lie in the next page.
		subtract(p.restored[at:min(at+s.width(), pageSize)], s.amount(p.delta))
		p.row.RelocationsUndone++
	}
}

// undoEnd undoes a slot with its first k bytes in the page before: their carry must be known.
func (p *pageFix) undoEnd(s slot, k int) {
	amount := s.amount(p.delta)
	low := uint64(1)<<(8*k) - 1
	carry := uint64(0)
	if amount&low != 0 {
		begin, ok := p.w.original(s, k)
		if !ok {
			p.row.RelocationsLeft++
			p.note(noteCarry)
			return
		}
		carry = (begin + amount&low) >> (8 * k)
	}
	subtract(p.restored[:s.width()-k], amount>>(8*k)+carry)
}

// original returns the first k bytes of a slot, at the end of a page, as they were in the file.
func (w *work) original(s slot, k int) (uint64, bool) {
	var b [8]byte
	if !w.read(b[:k], int64(s.rva)) {
		return 0, false
	}
	v := binary.LittleEndian.Uint64(b[:])
	if w.pristine(int64(s.rva)) {
		return v, true
	}
	rva := s.rva &^ (pageSize - 1)
	page := w.memoryPage(rva)
	var found [pageSize]byte
	if !w.fill(found[:], &page, 0) {
		return 0, false
	}
	delta, _ := w.delta(rva, &page, found[:])
	return (v - s.amount(delta)) & (1<<(8*k) - 1), true
}

// wasOverwritten reports whether a slot of a private page holds another value than the address in the image that the
// loader left there.
func (p *pageFix) wasOverwritten(s slot, at int) bool {
	n := s.width()
	if n != p.w.h.pointerSize() || at < 0 || at+n > pageSize || !(p.page.Kind.private() || p.page.Modified) {
		return false
	}
	return !p.w.inImage(get(p.found[at:at+n])-p.delta, p.w.base)
}

// inImage reports whether va is an address in an image at base, or its end.
func (w *work) inImage(va, base uint64) bool { return w.wrap(va-base) <= uint64(w.h.sizeOfImage) }

// moved is how far the bytes of a page are moved. clear says that its relocated numbers do not contradict it.
type moved struct {
	by    uint64
	clear bool
}

// delta returns how far the bytes of the page at rva are moved: by the page's base, unless its relocated numbers
// clearly show another base.
func (w *work) delta(rva uint32, page *Page, found []byte) (by uint64, clear bool) {
	if d, known := w.deltas[rva]; known {
		return d.by, d.clear
	}
	said := w.baseOf(page) - w.base
	d := said
	most, all := w.votes(rva, found, d)
	for _, other := range []uint64{0, w.in.LoadBase - w.base, w.section - w.base} {
		if most == all {
			break
		}
		if n, _ := w.votes(rva, found, other); n > most {
			d, most = other, n
		}
	}
	clear = d == said && (most > 0 || all == 0)
	w.deltas[rva] = moved{d, clear}
	return d, clear
}

// votes counts the numbers in the page that are addresses in the image if it was moved by d, and all numbers that
// count.
func (w *work) votes(rva uint32, found []byte, d uint64) (votes, all int) {
	for _, s := range w.relocs.page(rva) {
		at, n := int(s.rva-rva), s.width()
		if n != w.h.pointerSize() || at+n > pageSize {
			continue
		}
		all++
		if w.inImage(get(found[at:at+n])-d, w.base) {
			votes++
		}
	}
	return votes, all
}

// get returns the little-endian number in b, of up to eight bytes.
func get(b []byte) uint64 {
	switch len(b) {
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	case 8:
		return binary.LittleEndian.Uint64(b)
	}
	var v uint64
	for i := len(b) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v
}

// subtract takes n from the little-endian number in b, modulo its width.
func subtract(b []byte, n uint64) {
	v := get(b) - n
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
}

// judgeTable notes the doubts about the table of relocations.
func (p *pageFix) judgeTable(known bool) {
	if p.w.relocsTouched {
		p.note(noteTable)
	}
	if known && p.w.relocs.present && !p.w.relocs.complete {
		p.note(noteOrder)
	}
}
