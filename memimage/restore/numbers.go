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
)

// numbers counts relocated numbers by the address that they were relocated to. What fits both does not count.
type numbers struct {
	loaded, header, other int  // to the load address, to that in the header, to neither
	shared                bool // they lie in the image section's own pages
}

// countNumbers looks where the image's relocated numbers point: those in the image section's pages if there are some, for
// no process wrote to them, and else those in the process's.
func (w *work) countNumbers() numbers {
	for _, shared := range []bool{true, false} {
		n := numbers{shared: shared}
		for s := range w.sampled() {
			n.add(w, s)
		}
		if n.loaded+n.header > 0 {
			return n
		}
	}
	return numbers{}
}

// add counts the number in a slot.
func (n *numbers) add(w *work, s slot) {
	page := w.memoryPage(s.rva)
	if n.shared != w.untouched(s.rva) || page.Kind == FileBytes || page.Kind == Missing || page.Kind == Zero {
		return
	}
	var b [8]byte
	if !fill(b[:s.width()], &page, int64(s.rva%pageSize)) {
		return
	}
	v := binary.LittleEndian.Uint64(b[:])
	switch loaded, header := w.inImage(v, w.in.LoadBase), w.inImage(v, w.h.imageBase); {
	case loaded && header:
	case loaded:
		n.loaded++
	case header:
		n.header++
	default:
		n.other++
	}
}

// sampled yields the slots of whole addresses that lie in one page, in the first pages that have any.
func (w *work) sampled() func(yield func(slot) bool) {
	return func(yield func(slot) bool) {
		pages, last := 0, int64(-1)
		for _, s := range w.relocs.slots {
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

// sectionBase returns the address that the kernel relocated the image section to. It is the load address, unless the
// process has the image elsewhere than the section is meant for: then the header and the section's numbers say where.
func (w *work) sectionBase() uint64 {
	if !w.in.KernelRelocates || w.h.imageBase == w.in.LoadBase || w.headerTouched {
		return w.in.LoadBase
	}
	if n := w.countNumbers(); n.shared && n.loaded == 0 && n.header >= enoughNumbers {
		return w.h.imageBase
	}
	return w.in.LoadBase
}

// fromBothForms compares relocated numbers in the image section's pages with those in the file's own: the difference is
// how far the image was moved.
func (w *work) fromBothForms() (finding, bool) {
	var bases []uint64
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
	return exact(bases[0], BothForms, fmt.Sprintf("%d relocated numbers are also there as in the file", len(bases))), true
}

// baseFromSlot returns the base that one slot proves: of an address in the image that lies in a page of the file and in
// one of the image section.
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
	if !ok || !fill(a[:n], &file, at) || !fill(b[:n], &mapped, int64(s.rva%pageSize)) {
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
	if int64(rva) >= w.mappedEnd() || w.in.ByRVA == nil {
		return Page{}, false
	}
	for _, c := range w.in.ByRVA(rva) {
		if c.Kind == Mapped && !c.Modified && readable(&c) {
			return c, true
		}
	}
	return Page{}, false
}
