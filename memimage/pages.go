package memimage

import (
	"fmt"
	"iter"
	"slices"

	"memlens/memimage/paging"
)

// Source says where a page of an executable image was found in an address space.
type Source int

// The sources, in the order in which they add to each other.
const (
	FromTable     Source = iota // the address space's own page table: valid, or in transition
	FromPrototype               // a prototype entry that the page table names
	FromVAD                     // the prototype entry that the address descriptor knows
	FromPageFile                // a page file
	FromStore                   // the compressed store
	FromZero                    // zeros by definition
	FromNowhere                 // missing
	FromDump                    // the dump of a process, in place of all sources but FromNowhere
	sourceCount   = iota
)

// sources are the names of the sources: by themselves, and at the head of a column of counts that add up.
var sources = [sourceCount]struct{ name, heading string }{
	FromTable: {"page table", "page table"}, FromPrototype: {"prototype", "+ prototype"}, FromVAD: {"VAD", "+ VAD, section"},
	FromPageFile: {"page file", "+ page file"}, FromStore: {"compressed store", "+ store"}, FromZero: {"zero", "+ zero"}, FromNowhere: {"missing", "of all"},
	FromDump: {"dump", "dump"},
}

func (s Source) String() string { return sources[s].name }

// place says in words where pages of the source are.
func (s Source) place() string {
	switch s {
	case FromPrototype, FromVAD:
		return "the section's own pages"
	case FromPageFile, FromStore:
		return "the " + s.String()
	}
	return "the " + sources[FromTable].name
}

// Heading is the head of a column that counts the pages of this source and of the sources before it.
func (s Source) Heading() string { return sources[s].heading }

// Sources returns the sources that pages of the image can have, from the best to missing.
func (im *Image) Sources() []Source {
	if im.IsDump() {
		return []Source{FromDump, FromNowhere}
	}
	return []Source{FromTable, FromPrototype, FromVAD, FromPageFile, FromStore, FromZero, FromNowhere}
}

// AllSources returns the sources that pages of any image can have.
func AllSources() []Source {
	return []Source{FromTable, FromPrototype, FromVAD, FromPageFile, FromStore, FromZero, FromDump, FromNowhere}
}

// Sources returns the sources that the module's pages can have.
func (m *Module) Sources() []Source { return m.im.Sources() }

// Page is a page of an executable image as its address space has it.
type Page struct {
	RVA      int64
	Section  string // as the header names it; empty for the header, gaps, and where there is no header
	Source   Source
	State    string // by the page tables, such as "valid" or "VAD: transition"
	Physical int64  // address, or -1
	Note     string // why it is missing
}

// Counts are pages by source.
type Counts [sourceCount]int

// Total returns the number of pages.
func (c Counts) Total() int {
	n := 0
	for _, v := range c {
		n += v
	}
	return n
}

// Present returns the number of pages that are not missing.
func (c Counts) Present() int { return c.Total() - c[FromNowhere] }

// PageCounts counts the pages of the image by source.
func (m *Module) PageCounts() Counts { return m.counts() }

func (m *Module) countPages() Counts {
	var c Counts
	for page := range m.Pages() {
		c[page.Source]++
	}
	return c
}

// PageCount returns how many pages the image has: as the kernel mapped it, or else as its header says; 0 where neither is
// known.
func (m *Module) PageCount() int64 {
	base := m.ImageBase()
	if base == 0 {
		return 0
	}
	if n := m.where.pages(base); n > 0 {
		return min(n, MaxImagePages)
	}
	if h := m.headers(); h.err == nil {
		return min((int64(h.header.SizeOfImage)+pageSize-1)/pageSize, MaxImagePages)
	}
	return 0
}

// maxKeptPages bounds the pages of an image whose pages are kept: a megabyte of an image.
const maxKeptPages = 256

// Pages yields the pages of the image, with the state of each in all sources.
func (m *Module) Pages() iter.Seq[Page] {
	if n := m.PageCount(); n > 0 && n <= maxKeptPages {
		return slices.Values(m.recovery().pages())
	}
	return m.eachPage()
}

// findPages finds the pages of the image.
func (m *Module) findPages() []Page {
	return slices.AppendSeq(make([]Page, 0, m.PageCount()), m.eachPage())
}

func (m *Module) eachPage() iter.Seq[Page] {
	return func(yield func(Page) bool) {
		base, n := m.ImageBase(), m.PageCount()
		if n == 0 || m.where.CheckSpace() != nil {
			return
		}
		header := m.anyHeader(base)
		for i := range n {
			rva := i * pageSize
			page := m.page(base+paging.Virt(rva), rva)
			if header != nil {
				if s, ok := header.SectionAt(uint32(rva)); ok {
					page.Section = s.Name()
				}
			}
			if !yield(page) {
				return
			}
		}
	}
}

// notePageFile is the note on every page from a page file.
const notePageFile = "assumed: that the page file is of this system and moment"

// assumption names the assumption behind a page from outside of memory, for the part at an offset; empty: none.
func (im *Image) assumption(page paging.Page, inside int64) string {
	switch page.State {
	case paging.PageFile:
		return notePageFile
	case paging.Compressed:
		return im.Kernel.CompressedStore().Assumption(page.Off + inside)
	}
	return ""
}

func (m *Module) page(va paging.Virt, rva int64) Page {
	out := Page{RVA: rva, Physical: -1}
	page, err := m.where.space().Translate(va)
	if err != nil {
		fault, ok := err.(*paging.FaultError)
		if !ok {
			out.Source, out.State, out.Note = FromNowhere, "damaged", err.Error()
			return out
		}
		out.Source, out.State, out.Note = FromNowhere, stateName(fault.Via, fault.State), fault.Reason()
		if fault.State == paging.NotDumped && fault.Size < pageSize {
			out.Note += fmt.Sprintf(" as far as %#x of the page", fault.Size)
		}
		return out
	}
	out.Source, out.State = sourceOf(page), stateName(page.Via, page.State)
	inside := int64(va - page.VA)
	if off, err := page.FirstHole(inside, pageSize); err != nil {
		out.Note = fmt.Sprintf("missing from %#x of the page on: %v", off-inside, unplaced(err))
	} else if len(m.im.Container.Doubts) > 0 {
		out.Note = noteDoubt
	} else {
		out.Note = m.im.assumption(page, inside)
	}
	if pa, ok := page.Physical(); ok {
		out.Physical = int64(pa) + int64(va-page.VA)
	}
	return out
}

func sourceOf(page paging.Page) Source {
	switch {
	case page.State == paging.Dumped:
		return FromDump
	case page.State == paging.DemandZero:
		return FromZero
	case page.State == paging.PageFile:
		return FromPageFile
	case page.State == paging.Compressed:
		return FromStore
	case page.Via == paging.ViaTable:
		return FromTable
	case page.Via == paging.ViaPrototype:
		return FromPrototype
	}
	return FromVAD
}

// stateName names a page's state, and the way to it where that is not the page table.
func stateName(via paging.Via, state paging.State) string {
	if via == paging.ViaTable {
		return state.String()
	}
	return via.String() + ": " + state.String()
}
