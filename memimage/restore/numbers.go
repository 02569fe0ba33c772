package restore

import (
	"encoding/binary"
	"fmt"
	"slices"
)

const (
	enoughNumbers = 2   // relocated numbers that confirm something together
	baseSamples   = 16  // numbers that are compared in both forms
	basePages     = 256 // pages looked at for either
	baseSlots     = 1 << 18
	mostElsewhere = 16 // at most one in so many numbers points elsewhere where they point into an image
)

// numbers counts relocated numbers by the address that they were relocated to. Numbers that fit both do not count.
type numbers struct {
	loaded, header, other int // to the load address, to the header's address, to neither
}

// countNumbers counts whether the image's relocated numbers point into an image at the load address or at a header's
// address. It takes the numbers in the image section's pages if there are some, because no process wrote to them, and
// otherwise the numbers in the process's own pages.
func (w *work) countNumbers(header uint64) numbers {
	for _, yieldNumbers := range []func(func(uint64) bool){w.sectionNumbers, w.ownNumbers} {
		n := numbers{}
		for v := range yieldNumbers {
			n.add(w.inImage(v, w.in.LoadBase), w.inImage(v, header))
		}
		if n.loaded+n.header > 0 {
			return n
		}
	}
	return numbers{}
}

// add counts a number.
func (n *numbers) add(loaded, header bool) {
	switch {
	case loaded && header:
	case loaded:
		n.loaded++
	case header:
		n.header++
	default:
		n.other++
	}
}

// sampled yields the slots of whole addresses that lie in one page, in the first pages with such slots.
func (w *work) sampled() func(yield func(slot) bool) {
	return func(yield func(slot) bool) {
		pages, last := 0, int64(-1)
		for _, s := range w.relocs.slots[:min(len(w.relocs.slots), baseSlots)] {
			if page := int64(s.rva >> 12); page != last {
				last = page
				pages++
			}
			if pages > basePages {
				return
			}
			if n := s.width(); n == w.h.pointerSize() && int(s.rva%pageSize)+n <= pageSize && !yield(s) {
				return
			}
		}
	}
}

// sectionBase returns the address that the kernel relocated the image section to, and whether the section's own
// header, which the kernel has written, says so. It is the load address, unless the process has the section at
// another address than it was relocated for: then the header and the section's numbers show the address. A header
// that these numbers contradict was not written by the kernel.
func (w *work) sectionBase() (base uint64, sure bool) {
	if !w.in.KernelRelocates {
		return w.in.LoadBase, true
	}
	header, ok := w.sectionHeader()
	if !ok || header == w.in.LoadBase {
		return w.in.LoadBase, ok
	}
	n := numbers{}
	for v := range w.sectionNumbers {
		n.add(w.inImage(v, w.in.LoadBase), w.inImage(v, header))
	}
	if n.header >= enoughNumbers && n.loaded == 0 {
		return header, true
	}
	return w.in.LoadBase, false
}

// sectionHeader returns the ImageBase in the image section's own page of the header.
func (w *work) sectionHeader() (uint64, bool) {
	at, n := w.h.imageBaseAt%pageSize, w.h.pointerSize()
	page, ok := w.mappedPage(uint32(w.h.imageBaseAt))
	var b [8]byte
	if !ok || at+int64(n) > pageSize || w.sharedWritable(uint32(w.h.imageBaseAt)) || !w.fill(b[:n], &page, at) {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b[:]), true
}

// sectionNumbers yields numbers of the image section's pages, which no process has written to.
func (w *work) sectionNumbers(yield func(uint64) bool) {
	for s := range w.sampled() {
		page, ok := w.mappedPage(s.rva)
		var b [8]byte
		if !ok || w.sharedWritable(s.rva) || !w.fill(b[:s.width()], &page, int64(s.rva%pageSize)) {
			continue
		}
		if !yield(binary.LittleEndian.Uint64(b[:])) {
			return
		}
	}
}

// ownNumbers yields numbers of pages that the process may have written to.
func (w *work) ownNumbers(yield func(uint64) bool) {
	for s := range w.sampled() {
		page := w.memoryPage(s.rva)
		var b [8]byte
		if !page.Kind.private() || !w.fill(b[:s.width()], &page, int64(s.rva%pageSize)) {
			continue
		}
		if !yield(binary.LittleEndian.Uint64(b[:])) {
			return
		}
	}
}

// bothFormsFix reports whether a number of the image section that is also present as in the file shows how far the
// section was moved.
func (w *work) bothFormsFix() bool {
	for s := range w.sampled() {
		if b, ok := w.baseFromSlot(s); ok {
			return b == w.base
		}
	}
	return false
}

// pointInto reports whether the image section's numbers, if there are any, point into an image at base; at most one
// in mostElsewhere may not.
func (w *work) pointInto(base uint64) bool {
	inside, outside := 0, 0
	for v := range w.sectionNumbers {
		if w.inImage(v, base) {
			inside++
		} else {
			outside++
		}
	}
	return outside*mostElsewhere <= inside
}

// fromBothForms compares relocated numbers in the image section's pages with the numbers in the file's own pages: the
// difference is how far the image was moved. It is exact if the section's own header says where the image was moved
// to.
func (w *work) fromBothForms() (finding, bool) {
	var bases []uint64
	if !w.in.KernelRelocates { // they were never relocated
		return finding{}, false
	}
	for s := range w.sampled() {
		if b, ok := w.baseFromSlot(s); ok {
			bases = append(bases, b)
		}
		if len(bases) == baseSamples {
			break
		}
	}
	if len(bases) == 0 || bases[0]%baseUnit != 0 || slices.Min(bases) != slices.Max(bases) {
		return finding{}, false
	}
	words := fmt.Sprintf("%d relocated numbers are also there as in the file", len(bases))
	if !w.sectionSure {
		return w.assumed(bases[0], BothForms, words+", and the section's pages are assumed to be relocated to where the process has them"), true
	}
	return exact(bases[0], BothForms, words), true
}

// baseFromSlot returns the base that one slot proves: a slot with an address in the image, in a page of the file and
// in a page of the image section.
func (w *work) baseFromSlot(s slot) (uint64, bool) {
	n := s.width()
	off, rest, ok := w.fileOffset(int64(s.rva))
	at := off % pageSize
	if !ok || rest < int64(n) || at+int64(n) > pageSize {
		return 0, false
	}
	file := w.filePage(off)
	if file.Kind == Missing || file.Modified {
		return 0, false
	}
	mapped, ok := w.mappedPage(s.rva)
	var a, b [8]byte
	if !ok || !w.fill(a[:n], &file, at) || !w.fill(b[:n], &mapped, int64(s.rva%pageSize)) {
		return 0, false
	}
	relocated := binary.LittleEndian.Uint64(b[:])
	if !w.inImage(relocated, w.baseOf(&mapped)) {
		return 0, false
	}
	return w.wrap(w.baseOf(&mapped) - (relocated - binary.LittleEndian.Uint64(a[:]))), true
}

// mappedPage returns the image section's page at rva, even when there is a better one.
func (w *work) mappedPage(rva uint32) (Page, bool) {
	rva &^= pageSize - 1
	p, known := w.sectionPages[rva]
	if !known {
		p = w.findMapped(rva)
		w.sectionPages[rva] = p
	}
	return p, p.Kind == Mapped
}

func (w *work) findMapped(rva uint32) Page {
	if int64(rva) >= w.mappedEnd() || w.in.ByRVA == nil {
		return Page{Kind: Missing}
	}
	for _, c := range w.in.ByRVA(rva) {
		if c.Kind == Mapped && !c.Modified && w.readable(&c) {
			return c
		}
	}
	return Page{Kind: Missing}
}
