package restore

import "fmt"

const (
	dynamicBase = 0x40   // IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE
	fileDLL     = 0x2000 // IMAGE_FILE_DLL

	// aslrFloor is where Windows 8 and later begin to put images that they move (x64). No file is linked for an
	// address there.
	aslrFloor = 0x7ff000000000
	// nearBase is how far Windows Vista and 7 move a program at most: 254 times 64 KiB (Windows Internals, 6th edition,
	// part 2, "Address space layout randomization").
	nearBase = 0xfe * baseUnit
)

const (
	linkerGNU    = 2  // MajorLinkerVersion of GNU ld, which is the version of binutils
	linkerRoslyn = 48 // MajorLinkerVersion of the C# compilers since 2015
)

// usualBases returns the default image bases of linkers, and the image bases that Microsoft gave the programs of
// Windows XP to 7. The linker's default for the file comes first.
func (h *header) usualBases() []uint64 {
	switch dll := h.characteristics&fileDLL != 0; {
	case dll && !h.plus && h.directories[dirCLR].rva != 0 && h.linker != linkerRoslyn:
		return []uint64{0x400000, 0x10000000} // as older C# compilers have it
	case h.plus && dll:
		return []uint64{0x180000000, 0x10000000}
	case h.plus:
		return []uint64{0x140000000, 0x100000000, 0x400000, 0x1000000}
	case dll:
		return []uint64{0x10000000, 0x400000}
	}
	return []uint64{0x400000, 0x1000000, 0x4ad00000, 0x4a680000, 0x48580000, 0x10000000} // cmd.exe, csrss.exe and smss.exe have their own
}

// baseCertainty says how sure the base is.
func (w *work) baseCertainty() Certainty {
	if !w.known() {
		return Left
	}
	if w.in.Doubt != "" {
		return max(w.certainty, Assumed)
	}
	return w.certainty
}

// hasDefault reports whether linkers have a default for the image. GNU ld derives the base of each DLL from its name.
func (h *header) hasDefault() bool {
	return h.characteristics&fileDLL == 0 || h.linker != linkerGNU || h.directories[dirCLR].rva != 0
}

// findBase finds the base that the file was linked for, by the strongest evidence that needs no more than a look at
// pages. A base without proof is assumed: a wrong guess leaves bytes as wrong as no guess, and each row that depends
// on it says so.
func (w *work) findBase() {
	w.section, w.sectionSure = w.sectionBase()
	best := w.linkerDefault()
	for _, find := range []func() (finding, bool){w.fromPlace, w.fromBothForms, w.fromKeptHeader, w.fromFileHeader} {
		if f, ok := find(); ok && (f.certainty <= best.certainty || !w.in.KernelRelocates) {
			best = f
		}
	}
	w.finding = best
	w.sectionSure = w.sectionSure || w.certainty == Exact && w.bothFormsFix()
}

// fromFileHeader takes the base from the file's own page.
func (w *work) fromFileHeader() (finding, bool) {
	at := w.h.imageBaseAt
	if end := at + int64(w.h.pointerSize()) - 1; w.headerTouched || !w.pristine(at) || !w.pristine(end) {
		return finding{}, false
	}
	return exact(w.h.imageBase, FileHeader, "the header is the file's own"), true
}

// fromKeptHeader takes the base from the header in memory. Before Windows Vista no loader writes to it. Later ones
// write the load address there. A header with another base was kept by a program that mapped the image by itself, or
// the kernel wrote it for a section that the process has elsewhere: that is never proof.
func (w *work) fromKeptHeader() (finding, bool) {
	base := w.h.imageBase
	switch {
	case !w.in.KernelRelocates && w.headerTouched:
		return w.fromOwnHeader(), true
	case !w.in.KernelRelocates:
		return exact(base, KeptHeader, "the loader leaves the header alone"), true
	case base == w.section || base%baseUnit != 0 || base == 0 || w.h.plus && base >= aslrFloor:
		return finding{}, false
	}
	switch n := w.countNumbers(base); {
	case n.loaded > 0 && n.header > 0:
		return finding{}, false
	case n.loaded >= enoughNumbers && n.other == 0:
		return w.assumed(base, KeptHeader, fmt.Sprintf("the header differs from the load address, and %d relocated numbers confirm it", n.loaded)), true
	}
	return w.assumed(base, KeptHeader, "the header differs from the load address"), true
}

// fromOwnHeader takes the base from a header that the process may have written, before Windows Vista. The image
// section's numbers are not relocated then. If they do not point into an image at that base, a usual base is assumed
// into which they do point, or none.
func (w *work) fromOwnHeader() finding {
	if w.pointInto(w.h.imageBase) {
		return w.assumed(w.h.imageBase, KeptHeader, "the loader leaves the header alone, but its page is the process's own")
	}
	for _, base := range w.h.usualBases() {
		if w.pointInto(base) {
			return w.assumed(base, LinkerDefault, "what linkers choose when they are not told otherwise, and numbers of the section point there")
		}
	}
	return unknown("the header is in the process's own page, and the section's numbers point into no image at it or at a usual base")
}

// fromPlace takes the base from the address of an image that had no reason to be moved. An image without relocations
// cannot be moved: that is proof if the address is also the linkers' default, because a header can be forged. It does
// not believe an address for which no file is linked.
func (w *work) fromPlace() (finding, bool) {
	h := &w.h
	if h.imageBase != w.section || h.imageBase%baseUnit != 0 {
		return finding{}, false
	}
	switch stripped := h.characteristics&relocsStripped != 0; {
	case stripped && h.imageBase == h.usualBases()[0] && !w.headerTouched:
		return exact(h.imageBase, NotMovable, "the image has no relocations, so it cannot be moved, and it lies where linkers put it by default"), true
	case stripped:
		return w.assumed(h.imageBase, NotMovable, "the image has no relocations, so it cannot be moved, and its header says that it lies where it was linked for"), true
	case h.plus && h.imageBase >= aslrFloor:
		return finding{}, false
	case h.dllFlags&dynamicBase == 0:
		return w.assumed(h.imageBase, NotDynamic, "the image was not linked to be moved (no DYNAMIC_BASE)"), true
	}
	return finding{}, false
}

// linkerDefault returns a base that linkers choose: the image's address, if it is a usual base, because the image may
// not have been moved at all; or else the usual base from which Windows Vista and 7 would have moved it; or else the
// first.
func (w *work) linkerDefault() finding {
	if !w.h.hasDefault() && w.h.dllFlags&dynamicBase != 0 && !w.h.isUsual(w.section) {
		return unknown("GNU ld gives each DLL a base by its name, and there is no other evidence")
	}
	usual := w.h.usualBases()
	const words = "what linkers choose when they are not told otherwise"
	if w.h.isUsual(w.section) {
		return w.assumed(w.section, LinkerDefault, words+", and the image lies there")
	}
	for _, base := range usual {
		if w.h.characteristics&fileDLL == 0 && w.h.plus && (w.section-base <= nearBase || base-w.section <= nearBase) {
			return w.assumed(base, LinkerDefault, words+", and the image lies not far from there")
		}
	}
	return w.assumed(usual[0], LinkerDefault, words)
}

// isUsual reports whether linkers choose a base by default.
func (h *header) isUsual(base uint64) bool {
	for _, b := range h.usualBases() {
		if b == base {
			return true
		}
	}
	return false
}

// baseOf returns the address that a page's bytes are relocated to.
func (w *work) baseOf(p *Page) uint64 {
	switch {
	case p.Kind == Mapped && !w.in.KernelRelocates:
		return w.base
	case p.Kind == Mapped && (p.Base == 0 || p.Base == w.in.LoadBase):
		return w.section
	case p.Base != 0:
		return p.Base
	}
	return w.in.LoadBase
}

// wrap cuts an address to the image's width.
func (w *work) wrap(v uint64) uint64 {
	if w.h.plus {
		return v
	}
	return v & 0xffffffff
}
