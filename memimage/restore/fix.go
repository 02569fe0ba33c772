package restore

import (
	"encoding/binary"
	"fmt"
)

// Notes on pages.
const (
	noteBase   = "the original image base is not known: nothing is relocated back"
	noteRelocs = "the relocation table is incomplete or damaged here"
	noteReloc  = "relocated numbers that are no addresses in the image"
	noteCarry  = "a relocated number begins in a missing page"
	noteZero   = "zeros where the file has bytes of its own"
	noteCopy   = "the process's own copy of a page that the loader does not change"
)

// fixed is a page of memory with what must change in it to be the file's.
type fixed struct {
	page Page
	diff diff
	row  Row // all that does not depend on the piece
}

// fix undoes the loader in the page at rva.
func (w *work) fix(rva uint32) (*fixed, error) {
	page := w.memoryPage(rva)
	f := &fixed{page: page, row: Row{Kind: page.Kind, Source: page.label(), Phys: -1}}
	switch page.Kind {
	case Zero:
		f.row.Note = noteZero
		return f, nil
	case Missing, FileBytes:
		return f, nil
	}
	found, restored := &w.buffers[0], &w.buffers[1]
	p := &pageFix{w: w, rva: rva, page: &f.page, found: found, restored: restored, row: &f.row}
	p.slots = w.relocs.touching(rva)
	changes := len(p.slots) > 0 || w.edits[rva] != nil || p.holdsBase()
	if changes {
		if n, err := page.Src.ReadAt(found[:], page.Off); n < pageSize {
			return nil, fmt.Errorf("restore: reading the page at RVA %#x from %s: %w", rva, page.label(), err)
		}
		*restored = *found
	}
	p.relocations()
	p.header()
	if page.Kind.private() || page.Modified {
		p.imports()
		p.ownCopy()
	}
	if changes {
		f.diff = newDiff(found[:], restored[:])
	}
	return f, nil
}

// pageFix is the undoing of one page.
type pageFix struct {
	w               *work
	rva             uint32
	page            *Page
	found, restored *[pageSize]byte
	row             *Row
	slots           []slot // with bytes in the page; nil and no edits: the buffers are not filled
	delta           uint64
	overwritten     map[int]bool // offsets of slots that do not hold an address in the image
}

// note adds to the row's note, once.
func (p *pageFix) note(s string) {
	switch p.row.Note {
	case "", s:
		p.row.Note = s
	default:
		p.row.Note += "; " + s
	}
}

// relocations undoes the page's base relocations, the last one first: they may overlap.
func (p *pageFix) relocations() {
	slots := p.slots
	known := p.w.relocs.known(p.rva)
	if p.w.proof == "" {
		if p.row.RelocationsLeft = len(slots); len(slots) > 0 || !known {
			p.note(noteBase)
		}
		return
	}
	p.delta = p.w.delta(p.rva, p.page, p.found[:])
	for i := len(slots) - 1; i >= 0; i-- {
		p.undo(slots[i])
	}
	if p.w.doubtful != "" && p.delta != 0 && len(slots) > 0 {
		p.note(p.w.doubtful)
	}
	if p.delta != 0 && !known {
		p.row.RelocationsLeft = -1
		p.note(noteRelocs)
	}
}

// undo takes what the loader added back out of one slot. A slot that was overwritten is left as it
// is, but not in code: that may hold addresses relative to ones outside the image, so it is undone,
// and listed all the same.
func (p *pageFix) undo(s slot) {
	at := int(int64(s.rva) - int64(p.rva))
	if p.wasOverwritten(s, at) {
		if p.overwritten == nil {
			p.overwritten = map[int]bool{}
		}
		p.overwritten[at] = true
		if !p.isCode() {
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

// isCode reports whether the page is of a section that can be executed and not written.
func (p *pageFix) isCode() bool {
	i := p.w.h.sectionAt(p.rva)
	return i >= 0 && p.w.h.sections[i].characteristics&(scnExecute|scnWrite) == scnExecute
}

// undoEnd undoes a slot whose first k bytes lie in the page before: their carry must be known.
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
	if !fill(found[:], &page, 0) {
		return 0, false
	}
	return (v - s.amount(w.delta(rva, &page, found[:]))) & (1<<(8*k) - 1), true
}

// wasOverwritten reports whether a slot of a private page holds something else than the address in
// the image that the loader left there.
func (p *pageFix) wasOverwritten(s slot, at int) bool {
	n := s.width()
	if n != p.w.h.pointerSize() || at < 0 || at+n > pageSize || !(p.page.Kind.private() || p.page.Modified) {
		return false
	}
	return !p.w.inImage(get(p.found[at:at+n])-p.delta, p.w.base)
}

// inImage reports whether va is an address in an image at base, or its end.
func (w *work) inImage(va, base uint64) bool { return w.wrap(va-base) <= uint64(w.h.sizeOfImage) }

// header puts ImageBase back where the kernel has written the load address.
func (p *pageFix) header() {
	if !p.holdsBase() {
		return
	}
	n, at := p.w.h.pointerSize(), p.w.h.imageBaseAt-int64(p.rva)
	if p.w.proof == "" {
		p.note(noteBase)
		return
	}
	if p.w.doubtful != "" {
		p.note(p.w.doubtful)
	}
	b := binary.LittleEndian.AppendUint64(nil, p.w.base)[:n]
	if at < 0 {
		b, at = b[-at:], 0
	}
	copy(p.restored[at:], b)
}

// holdsBase reports whether the page has bytes of the header's ImageBase.
func (p *pageFix) holdsBase() bool {
	at := p.w.h.imageBaseAt - int64(p.rva)
	return at > -int64(p.w.h.pointerSize()) && at < pageSize
}

// imports puts the page's thunks back.
func (p *pageFix) imports() {
	if p.w.mayBeBound(p.rva) {
		p.row.ImportsLeft = -1
		if p.w.doubt.imports {
			p.note(noteImports)
		} else {
			p.note(noteDelays)
		}
	}
	e := p.w.edits[p.rva]
	if e == nil {
		e = &pageEdits{}
	}
	for _, t := range e.set {
		if copy(p.restored[t.at:], t.b); string(p.found[t.at:t.at+len(t.b)]) != string(t.b) {
			p.row.ImportsUndone++
		}
	}
	resolved := p.resolvedDelays(e.delayed)
	if left := e.left + resolved; p.row.ImportsLeft >= 0 {
		p.row.ImportsLeft = left
	}
	if e.note != "" {
		p.note(e.note)
	}
	if resolved > 0 {
		p.note(noteDelay)
	}
	if p.row.RelocationsLeft >= 0 {
		p.row.RelocationsLeft += len(p.overwritten)
	}
	if len(p.overwritten) > 0 {
		p.note(noteReloc)
	}
	p.row.Written = e.tainted
}

// resolvedDelays counts the delay import thunks that do not hold an address in the image any more.
func (p *pageFix) resolvedDelays(offsets []int) int {
	n, base := 0, p.w.base
	if p.w.proof == "" {
		base = p.w.baseOf(p.page)
	}
	for _, at := range offsets {
		b := p.restored[at:min(at+p.w.h.pointerSize(), pageSize)]
		if v := get(b); v != 0 && (len(b) < p.w.h.pointerSize() || !p.w.inImage(v, base)) {
			delete(p.overwritten, at)
			n++
		}
	}
	return n
}

// ownCopy judges why the process has its own copy of the page: to write to it, or because the
// loader did.
func (p *pageFix) ownCopy() {
	row := p.row
	byLoader := row.RelocationsUndone+row.ImportsUndone > 0 || row.RelocationsLeft != 0 || row.ImportsLeft != 0 || p.hasImports()
	switch {
	case p.w.writable(p.rva):
		row.Written = true
	case p.page.Kind.private() && !byLoader:
		row.Written = true
		p.note(noteCopy)
	}
}

// hasImports reports whether the loader binds imports in the page.
func (p *pageFix) hasImports() bool {
	e := p.w.edits[p.rva]
	return e != nil && (len(e.set) > 0 || e.left > 0)
}

// delta returns how far the bytes of the page at rva are moved: by what is said of the page,
// unless its relocated numbers speak clearly for another base.
func (w *work) delta(rva uint32, page *Page, found []byte) uint64 {
	if d, known := w.deltas[rva]; known {
		return d
	}
	d := w.baseOf(page) - w.base
	most := w.votes(rva, found, d)
	for _, other := range []uint64{0, w.in.LoadBase - w.base} {
		if n := w.votes(rva, found, other); n > most {
			d, most = other, n
		}
	}
	w.deltas[rva] = d
	return d
}

// votes counts the numbers in the page that are addresses in the image when it was moved by d.
func (w *work) votes(rva uint32, found []byte, d uint64) int {
	votes := 0
	for _, s := range w.relocs.page(rva) {
		at, n := int(s.rva-rva), s.width()
		if n == w.h.pointerSize() && at+n <= pageSize && w.inImage(get(found[at:at+n])-d, w.base) {
			votes++
		}
	}
	return votes
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
