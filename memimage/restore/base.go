package restore

import (
	"encoding/binary"
	"fmt"
)

const (
	baseSamples = 16  // pristine slots that are compared
	basePages   = 256 // pages looked at for them
)

// Notes on what depends on a base that is not proved.
const (
	noteDerived = "by an image base derived from the header's CheckSum"
	noteAssumed = "ImageBase is as found: an image without relocations is hardly moved"
	noteUsual   = "by the image base that linkers choose when they are not told otherwise: nothing proves it"
)

// usualBases returns the image bases that linkers give when they are not told otherwise.
func usualBases(plus bool) []uint64 {
	if plus {
		return []uint64{0x140000000, 0x100000000, 0x180000000, 0x400000, 0x10000000}
	}
	return []uint64{0x400000, 0x1000000, 0x10000000, 0x4ad00000}
}

// findBase proves what the file was linked for, as far as that takes no more than a look at pages.
func (w *work) findBase() {
	at := w.h.imageBaseAt
	switch {
	case w.pristine(at) && w.pristine(at+int64(w.h.pointerSize())-1):
		w.base, w.proof = w.h.imageBase, "the header is the file's own"
	case !w.in.KernelRelocates:
		w.base, w.proof = w.h.imageBase, "the loader leaves the header alone"
	default:
		w.baseFromPristine()
	}
}

// baseCertainty says how sure the base is.
func (w *work) baseCertainty() Certainty {
	switch {
	case w.proof == "":
		return Left
	case w.doubtful != "":
		return Assumed
	}
	return Exact
}

// assumeBase takes a base that is likely and not proved, for a file that is whole: the header's own where the image has
// no relocations, for then the kernel has no business to load it elsewhere; and the one that linkers choose when they
// are not told otherwise where the header says what the kernel wrote there, and its CheckSum is none that could tell.
// What was found is certainly not the file's then. Everything that depends on the base is listed as doubtful.
func (w *work) assumeBase(r *Result) (*Result, error) {
	stripped := w.h.characteristics&relocsStripped != 0
	switch {
	case w.proof != "":
		return r, nil
	case stripped:
		w.base, w.proof, w.doubtful = w.h.imageBase, "assumed: the image has no relocations", noteAssumed
	case w.h.imageBase == w.in.LoadBase && !w.checkSumTells(r.Reader.Size()) && r.wholeButForBase():
		w.base, w.proof, w.doubtful = usualBases(w.h.plus)[0], "assumed: what linkers choose when they are not told otherwise", noteUsual
	default:
		return r, nil
	}
	return w.result()
}

// baseFromPristine compares relocated numbers in the image section's pages with those in the
// file's own: the difference is how far the image was moved.
func (w *work) baseFromPristine() {
	var base uint64
	samples, pages := 0, 0
	last := int64(-1)
	for _, s := range w.relocs.slots {
		if page := int64(s.rva >> 12); page != last {
			last = page
			pages++
		}
		if samples == baseSamples || pages > basePages {
			break
		}
		b, ok := w.baseFromSlot(s)
		if !ok {
			continue
		}
		if samples > 0 && b != base {
			return
		}
		base = b
		samples++
	}
	if samples > 0 && base%0x10000 == 0 {
		w.base, w.proof = base, fmt.Sprintf("%d relocated numbers are also there as in the file", samples)
	}
}

// baseFromSlot returns the base that one slot proves: of a whole address in a page of the file
// and in one of the image section.
func (w *work) baseFromSlot(s slot) (uint64, bool) {
	n := s.width()
	if n != w.h.pointerSize() || int(s.rva%pageSize)+n > pageSize {
		return 0, false
	}
	off, rest, ok := w.fileOffset(int64(s.rva))
	at := off % pageSize
	if !ok || rest < int64(n) || at+int64(n) > pageSize {
		return 0, false
	}
	file := w.filePage(off)
	if file.Kind == Missing {
		return 0, false
	}
	mapped, ok := w.mappedPage(s.rva)
	var a, b [8]byte
	if !ok || !fill(a[:n], &file, at) || !fill(b[:n], &mapped, int64(s.rva%pageSize)) {
		return 0, false
	}
	moved := binary.LittleEndian.Uint64(b[:]) - binary.LittleEndian.Uint64(a[:])
	return w.wrap(w.baseOf(&mapped) - moved), true
}

// mappedPage returns the image section's page at rva, even when there is a better one.
func (w *work) mappedPage(rva uint32) (Page, bool) {
	rva &^= pageSize - 1
	if w.in.ByRVA == nil || int64(rva) >= w.mappedEnd() {
		return Page{}, false
	}
	for _, c := range w.in.ByRVA(rva) {
		if c.Kind == Mapped && !c.Modified && readable(&c) {
			return c, true
		}
	}
	return Page{}, false
}

// baseOf returns the address that a page's bytes are relocated to.
func (w *work) baseOf(p *Page) uint64 {
	switch {
	case p.Base != 0:
		return p.Base
	case p.Kind == Mapped && !w.in.KernelRelocates:
		return w.base
	}
	return w.in.LoadBase
}

// wrap cuts an address to the width that the image has.
func (w *work) wrap(v uint64) uint64 {
	if w.h.plus {
		return v
	}
	return v & 0xffffffff
}
