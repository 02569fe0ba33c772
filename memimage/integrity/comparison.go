package integrity

import (
	"errors"
	"fmt"
	"sync"

	"memlens/memimage/pe"
	"memlens/memimage/restore"
	"memlens/memimage/sparse"
)

// keptPages is how many pages of an image are kept while its tables are followed.
const keptPages = 64

// comparison is the comparison of one image under way.
type comparison struct {
	in     Input
	result *Result
	runs   collector

	*buffers // nil where nothing is compared

	memory sparse.Source // the image as the process sees it
	file   sparse.Source // the image as the file has it
	either *fallback     // file, and memory where file is missing: for tables

	ready     bool
	noHeader  error // why the image's layout is not known
	header    *pe.File
	sections  sparse.Index
	tables    *restore.Tables
	places    *places
	modules   *Modules
	asked     bool   // the modules were requested
	looked    int    // at modules, for imports
	doubt     string // why no difference is exact
	otherHead string // why the header in memory is another program's
}

// buffers are for the page under comparison.
type buffers struct {
	was, is  [pageSize]byte // of the file, and in memory
	original [pageSize]byte // of the file, not moved
}

// freeBuffers are buffers that are not in use. Their contents are of no use for the next comparison.
var freeBuffers = sync.Pool{New: func() any { return new(buffers) }}

func newComparison(in Input) *comparison {
	c := &comparison{in: in, result: &Result{}, doubt: in.Doubt}
	c.runs.c, c.runs.witness = c, nobody{}
	size := int64(maxPages) * pageSize
	if in.Pages > 0 {
		size = int64(min(in.Pages, maxPages)) * pageSize
	}
	kept := int(min(size/pageSize, keptPages))
	c.file = sparse.NewCache(&view{c.filePage, size}, kept)
	c.memory = sparse.NewCache(&view{c.memoryPage, size}, kept)
	c.either = &fallback{Source: c.file, other: c.memory}
	return c
}

// pages returns how many pages the image has.
func (c *comparison) pages() (int, error) {
	n := c.in.Pages
	if n == 0 {
		if err := c.prepare(); err != nil || c.noHeader != nil {
			return 0, err
		}
		n = int((int64(c.header.SizeOfImage) + pageSize - 1) / pageSize)
	}
	c.result.Pages = min(n, maxPages)
	return c.result.Pages, nil
}

// memoryPage returns the page at rva as the process sees it.
func (c *comparison) memoryPage(rva uint32) (Page, error) {
	p, err := c.in.Memory(rva)
	if errors.Is(err, ErrShared) {
		return c.filePage(rva)
	}
	return p, err
}

// filePage returns the page at rva as the file has it, relocated or not.
func (c *comparison) filePage(rva uint32) (Page, error) {
	p, err := c.sectionPage(rva)
	if err == nil || sparse.Failed(err) || c.tables == nil || c.in.Cached == nil {
		return p, err
	}
	b := new([pageSize]byte)
	if cached := c.fromCache(b, rva); cached != nil {
		if sparse.Failed(cached) {
			return p, cached
		}
		return p, err
	}
	return Page{Src: sparse.Bytes(b[:])}, nil
}

// sectionPage returns the image section's page at rva, if the whole page is present.
func (c *comparison) sectionPage(rva uint32) (Page, error) {
	p, err := c.in.File(rva)
	if err != nil {
		return p, err
	}
	_, err = sparse.FirstHole(p.Src, p.Off, pageSize)
	return p, err
}

// prepare reads the headers and tables, once. The error is of a source that fails.
func (c *comparison) prepare() error {
	if c.ready {
		return nil
	}
	c.ready = true
	tables, err := restore.ReadTables(c.restoreInput())
	if err == nil {
		c.tables = tables
		c.header, err = pe.OpenImage(c.either)
	}
	if sparse.Failed(err) {
		return err
	}
	if c.noHeader = err; err != nil {
		return nil
	}
	if c.doubt == "" && tables.Touched() {
		c.doubt = "the header or the table of relocations is read from pages that the process may have written to"
	}
	c.sections = sparse.NewIndex(len(c.header.Sections), c.span)
	return nil
}

// span returns the addresses of a section. Windows gives it whole pages, unless the image is mapped as its file.
func (c *comparison) span(i int) (rva, n int64) {
	s := &c.header.Sections[i]
	n = int64(s.MappedSize())
	if c.header.SectionAlignment >= pageSize {
		n = (n + pageSize - 1) &^ (pageSize - 1)
	}
	return int64(s.VirtualAddress), n
}

// section returns the section at rva, nil for the header and for addresses outside of sections.
func (c *comparison) section(rva uint32) *pe.Section {
	if i := c.sections.At(int64(rva)); i >= 0 {
		return &c.header.Sections[i]
	}
	return nil
}

// restoreInput returns the image in the form for package restore.
func (c *comparison) restoreInput() restore.Input {
	in := restore.Input{PageCount: c.in.Pages, LoadBase: c.in.LoadBase, KernelRelocates: c.in.KernelRelocates, Doubt: c.in.Doubt, ByRVA: c.candidates}
	if c.in.Cached != nil {
		in.ByFileOffset = func(off int64) []restore.Page {
			p, err := c.in.Cached(off)
			return candidate(p, err, restore.FileBytes, 0)
		}
	}
	return in
}

// candidates returns the pages at rva, the file's first.
func (c *comparison) candidates(rva uint32) []restore.Page {
	p, err := c.in.File(rva)
	out := candidate(p, err, restore.Mapped, c.in.LoadBase)
	p, err = c.in.Memory(rva)
	return append(out, candidate(p, err, restore.Private, c.in.LoadBase)...)
}

// candidate returns a page in the form for package restore. A page whose read failed fails again when it is read.
func candidate(p Page, err error, kind restore.Kind, base uint64) []restore.Page {
	switch {
	case err == nil:
		return []restore.Page{{Kind: kind, Src: p.Src, Off: p.Off, Phys: -1, Base: base}}
	case sparse.Failed(err):
		return []restore.Page{{Kind: kind, Src: failing{err}, Phys: -1}}
	}
	return nil
}

// failing is a page that cannot be read.
type failing struct{ err error }

func (f failing) Size() int64                       { return pageSize }
func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }
func (f failing) Probe(int64) (int64, error)        { return 1, f.err }

// fallback is a source, with another source for its holes.
type fallback struct {
	sparse.Source
	other sparse.Source
	used  bool // other was needed
}

// ReadAt implements [sparse.Source].
func (f *fallback) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.Source.ReadAt(p, off)
	for n < len(p) && sparse.IsHole(err) {
		at := off + int64(n)
		part := p[n : n+int(min(int64(len(p)-n), pageSize-at%pageSize))]
		var got int
		if got, err = f.other.ReadAt(part, at); got > 0 {
			f.used = true
		}
		if n += got; got < len(part) || n == len(p) {
			break
		}
		got, err = f.Source.ReadAt(p[n:], off+int64(n))
		n += got
	}
	if n == len(p) {
		err = nil
	}
	return n, err
}

// finish ends the comparison.
func (c *comparison) finish() (*Result, error) {
	if err := c.runs.flush(); err != nil {
		return nil, fmt.Errorf("integrity: %w", err)
	}
	c.result.sort()
	c.result.sortMissing()
	c.result.Verdict = c.verdict()
	return c.result, nil
}

// OpenFile returns the file behind an image as far as its own pages are present; the process's pages replace the
// missing ones. own reports whether no such replacement was needed so far. The error is the same as in [pe.OpenImage].
func OpenFile(in Input) (f *pe.File, own func() bool, err error) {
	c := newComparison(in)
	if in.Cached != nil {
		if err := c.prepare(); err != nil {
			return nil, nil, err
		}
	}
	f, err = pe.OpenImage(c.either)
	return f, func() bool { return !c.either.used }, err
}
