package restore

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
)

// Notes on pages.
const (
	noteBase       = "the original image base is not known: nothing is relocated back"
	noteRelocs     = "the relocation table is incomplete or damaged here"
	noteReloc      = "relocated numbers that are no addresses in the image"
	noteCarry      = "a relocated number begins in a missing page"
	noteZero       = "zeros where the file has bytes of its own"
	noteCopy       = "the process's own copy of a page that the loader does not change"
	noteUnproved   = "whether the process has written to the page is not known"
	noteOwn        = "the process's own copy, assumed to be changed by the loader alone"
	noteHeader     = "the process may have written to the headers that lay the file out"
	noteWritten    = "the process may have written to the page"
	noteUnloadable = "the header's SizeOfHeaders is not below its SizeOfImage: Windows loads no such file, so the header is not the file's"
	noteTable      = "the process may have written to the relocation table"
	noteVotes      = "how far its relocated numbers were moved is assumed"
	noteLooked     = "imports as their lookup table has them"
	noteOrder      = "the end of the relocation table is missing: it is assumed to be in the order of pages, as linkers write it"
	noteTwice      = "the kernel may have changed it by the dynamic relocation table"
	noteShared     = "processes share this section and write to it"
)

// fixed is a page of memory with the changes that make it the file's.
type fixed struct {
	page Page
	diff diff
	row  Row // all that does not depend on the piece
}

// fixBuffers are for pages that are being fixed, as found and restored. Their contents are of no use for the next
// page.
var fixBuffers = sync.Pool{New: func() any { return new([2][pageSize]byte) }}

// fix undoes the loader in the page at rva.
func (w *work) fix(rva uint32) (*fixed, error) {
	page := w.memoryPage(rva)
	f := &fixed{page: page, row: Row{Kind: page.Kind, Source: page.label(), Phys: -1}}
	switch page.Kind {
	case Zero:
		f.row.Note = noteZero
		return f, nil
	case FileBytes:
		f.row.Written = page.Modified
		return f, nil
	case Missing:
		return f, nil
	}
	buffers := fixBuffers.Get().(*[2][pageSize]byte)
	defer fixBuffers.Put(buffers)
	found, restored := &buffers[0], &buffers[1]
	p := &pageFix{w: w, rva: rva, page: &f.page, found: found, restored: restored, row: &f.row}
	p.slots = w.relocs.touching(rva)
	own := page.Kind.private() || page.Modified
	changes := len(p.slots) > 0 || w.edits[rva] != nil || p.holdsBase() || own && len(w.slotsIn(rva)) > 0
	if changes {
		if n, err := page.Src.ReadAt(found[:], page.Off); n < pageSize {
			return nil, fmt.Errorf("restore: reading the page at RVA %#x from %s: %w", rva, page.label(), err)
		}
		*restored = *found
	}
	p.undoLoader(own)
	if changes {
		f.diff = newDiff(found[:], restored[:])
	}
	return f, nil
}

// undoLoader undoes the loader's changes, and notes their assumptions. own says that the process may have written to
// the page.
func (p *pageFix) undoLoader(own bool) {
	if own {
		p.loaderSlots()
	}
	p.relocations()
	p.header()
	if own {
		p.imports()
		p.ownCopy()
	} else if p.w.sharedWritable(p.rva) {
		p.row.Written = true
		p.note(noteShared)
	}
	if p.w.headerTouched {
		p.note(noteHeader)
	}
	if p.w.dynamic && p.w.in.KernelRelocates {
		p.note(noteTwice)
	}
}

// pageFix is the undoing of one page.
type pageFix struct {
	w               *work
	rva             uint32
	page            *Page
	found, restored *[pageSize]byte
	row             *Row
	noted           []string // texts that the row's note has already
	slots           []slot   // with bytes in the page; nil and no edits: the buffers are not filled
	delta           uint64
	overwritten     map[int]bool // offsets of slots that do not hold an address in the image
	filled          map[int]bool // offsets of slots that the loader has filled
}

// note adds to the row's note, once.
func (p *pageFix) note(s string) {
	if !slices.Contains(p.noted, s) {
		p.noted = append(p.noted, s)
		p.row.note(s)
	}
}

// header puts ImageBase back where the kernel has written the load address.
func (p *pageFix) header() {
	if !p.holdsBase() {
		return
	}
	n, at := p.w.h.pointerSize(), p.w.h.imageBaseAt-int64(p.rva)
	if !p.w.known() {
		if p.row.RelocationsLeft >= 0 {
			p.row.RelocationsLeft++
		}
		p.note(noteBase)
		return
	}
	if p.w.certainty == Assumed {
		p.note(p.w.noteAssumed())
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
	if p.row.ImportsUndone > 0 {
		p.note(noteLooked)
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

// ownCopy judges why the process has its own copy of the page: because it wrote to the page, or because the loader
// did.
func (p *pageFix) ownCopy() {
	row := p.row
	byLoader := row.RelocationsUndone+row.ImportsUndone > 0 || row.RelocationsLeft != 0 || row.ImportsLeft != 0 || row.SlotsLeft != 0 || p.hasImports()
	switch {
	case p.w.writable(p.rva):
		row.Written = true
	case p.page.Unproved:
		p.note(noteUnproved)
	case p.page.Kind.private() && !byLoader:
		row.Written = true
		p.note(noteCopy)
	default:
		p.note(noteOwn)
	}
}

// hasImports reports whether the loader binds imports in the page.
func (p *pageFix) hasImports() bool {
	e := p.w.edits[p.rva]
	return e != nil && (len(e.set) > 0 || e.left > 0 || e.kept)
}
