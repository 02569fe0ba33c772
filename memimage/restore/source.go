package restore

import (
	"fmt"
	"io"

	"memlens/memimage/sparse"
)

// maxImage is the largest size of an image in an address space: 2 GiB.
const maxImage = 1 << 31

// work is one restoration under way.
type work struct {
	in     Input
	h      header
	pieces []piece // nil until the header is read

	pieceIndex sparse.Index // by RVA
	extent     extent

	finding              // the base that the file was linked for
	section       uint64 // the address that the image section's pages are relocated to
	sectionSure   bool   // the section itself shows that address
	headerTouched bool   // a process may have written to the headers that were read
	relocsTouched bool   // a process may have written to the table of relocations
	dynamic       bool   // a table has more changes by the kernel than base relocations

	relocs relocations
	edits  map[uint32]*pageEdits // by page RVA: the entries of the import tables
	placed map[uint32]bool       // RVAs of thunks in edits
	slots  []loaderSlot          // in order of their RVAs
	stubs  stubs
	bound  map[string]boundDLL // the bound import directory by lower-case names, nil until it is read

	boundModules map[string][]Module // results of boundDirectory, by lower-case names

	doubt  importDoubt
	thunks int // read so far

	err error // the first error of a source that is no hole

	memory map[uint32]Page // the best page by RVA, looked up once
	file   map[int64]Page  // the best page by file offset, looked up once

	sectionPages map[uint32]Page // the image section's page by RVA, looked up once
	deltas       map[uint32]moved
}

func newWork(in Input) *work {
	return &work{
		in: in, memory: map[uint32]Page{}, file: map[int64]Page{}, sectionPages: map[uint32]Page{}, deltas: map[uint32]moved{},
		edits: map[uint32]*pageEdits{}, placed: map[uint32]bool{},
	}
}

// memoryPage returns the best candidate for the page at rva, of kind Missing when there is none.
func (w *work) memoryPage(rva uint32) Page {
	rva &^= pageSize - 1
	p, known := w.memory[rva]
	if !known {
		p = Page{Kind: Missing, Phys: -1}
		if w.in.ByRVA != nil && int64(rva) < w.mappedEnd() {
			p = w.best(w.in.ByRVA(rva))
		}
		w.memory[rva] = p
	}
	return p
}

// filePage returns the best candidate for the page of the file at off, of kind Missing when there
// is none.
func (w *work) filePage(off int64) Page {
	off &^= pageSize - 1
	p, known := w.file[off]
	if !known {
		p = Page{Kind: Missing, Phys: -1}
		if w.in.ByFileOffset != nil {
			p = w.best(w.in.ByFileOffset(off))
		}
		w.file[off] = p
	}
	return p
}

// mappedEnd returns the RVA at which the image's pages end, at the latest.
func (w *work) mappedEnd() int64 {
	if w.in.PageCount == 0 {
		return maxImage
	}
	return min(int64(w.in.PageCount)*pageSize, 1<<32)
}

// best returns the first candidate with its bytes present, and otherwise the first one's reason.
func (w *work) best(candidates []Page) Page {
	for _, c := range candidates {
		if c.Kind != Missing && w.readable(&c) {
			return c
		}
	}
	missing := Page{Kind: Missing, Phys: -1}
	if len(candidates) > 0 && candidates[0].Kind == Missing {
		missing.Label, missing.Gap = candidates[0].Label, candidates[0].Gap
	}
	return missing
}

func (w *work) readable(p *Page) bool {
	if p.Src == nil {
		return false
	}
	_, err := sparse.FirstHole(p.Src, p.Off, pageSize)
	w.failed(err)
	return err == nil
}

// failed notes an error of a source unless it is a hole: then the data is not missing, and Restore fails.
func (w *work) failed(err error) {
	if w.err == nil && err != nil && err != io.EOF && !sparse.IsHole(err) {
		w.err = fmt.Errorf("restore: %w", err)
	}
}

// read fills p from the image at rva, from the file's own pages where there are some. The bytes are as found. It
// reports whether all bytes are present.
func (w *work) read(p []byte, rva int64) bool {
	for len(p) > 0 {
		n := int(min(int64(len(p)), pageSize-rva%pageSize))
		if rva < 0 || rva >= 1<<32 || !w.readInPage(p[:n], rva) {
			return false
		}
		p, rva = p[n:], rva+int64(n)
	}
	return true
}

// readInPage is read within one page of memory, which may lie in two pages of the file.
func (w *work) readInPage(p []byte, rva int64) bool {
	if off, n, ok := w.locate(rva); ok && n > 0 {
		n = min(n, int64(len(p)), pageSize-off%pageSize)
		if page := w.filePage(off); page.Kind != Missing {
			return w.fill(p[:n], &page, off%pageSize) && (n == int64(len(p)) || w.readInPage(p[n:], rva+n))
		}
		if w.in.ByFileOffset != nil && n < int64(len(p)) {
			return w.readMemory(p[:n], rva) && w.readInPage(p[n:], rva+n)
		}
	}
	return w.readMemory(p, rva)
}

// locate is fileOffset; until the header is read, the beginning of memory is taken for the beginning of the file.
func (w *work) locate(rva int64) (off, n int64, ok bool) {
	if w.pieces == nil {
		return rva, pageSize - rva%pageSize, true
	}
	return w.fileOffset(rva)
}

func (w *work) readMemory(p []byte, rva int64) bool {
	page := w.memoryPage(uint32(rva))
	return page.Kind != Missing && w.fill(p, &page, rva%pageSize)
}

// fill reads p at an offset of the page.
func (w *work) fill(p []byte, page *Page, at int64) bool {
	n, err := page.Src.ReadAt(p, page.Off+at)
	if n < len(p) {
		w.failed(err)
	}
	return n == len(p)
}

// pristine reports whether the byte at rva comes from the file's own pages.
func (w *work) pristine(rva int64) bool {
	if off, _, ok := w.locate(rva); ok && w.filePage(off).Kind != Missing {
		return true
	}
	return w.memoryPage(uint32(rva)).Kind == FileBytes
}

// writable reports whether the process could write to its copy of the page at rva.
func (w *work) writable(rva uint32) bool {
	if w.h.mappedAsFile() || w.in.Unbacked {
		return true
	}
	i := w.h.sectionAt(rva)
	return i >= 0 && w.h.sections[i].characteristics&(scnWrite|scnShared) != 0
}

// untouched reports whether no process can have written to the byte at rva: it comes from the file, or from the image
// section and not from a section that processes share and write to.
func (w *work) untouched(rva uint32) bool {
	if off, _, ok := w.locate(int64(rva)); ok {
		if page := w.filePage(off); page.Kind != Missing {
			return !page.Modified
		}
	}
	page := w.memoryPage(rva)
	return !page.Modified && page.Assumed == "" && (page.Kind == FileBytes || page.Kind == Mapped && !w.sharedWritable(rva))
}

// sharedWritable reports whether processes write to the image section's own page at rva.
func (w *work) sharedWritable(rva uint32) bool {
	i := w.h.sectionAt(rva)
	return i >= 0 && w.h.sections[i].characteristics&(scnWrite|scnShared) == scnWrite|scnShared
}

// touched reports whether a process may have written to any of n bytes at rva.
func (w *work) touched(rva, n int64) bool {
	for at := rva &^ (pageSize - 1); at < min(rva+n, w.mappedEnd()); at += pageSize {
		if !w.untouched(uint32(max(at, rva))) {
			return true
		}
	}
	return false
}

// written reports whether the bytes at rva may come from a writer other than the loader.
func (w *work) written(rva int64) bool {
	if w.pristine(rva) {
		return false
	}
	page := w.memoryPage(uint32(rva))
	return (page.Kind.private() || page.Modified) && w.writable(uint32(rva))
}
