package memimage

import (
	"fmt"
	"io"

	lru "github.com/hashicorp/golang-lru/v2"

	"memlens/memimage/integrity"
	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/restore"
	"memlens/memimage/sparse"
)

const pageSize = 4096

// pageSources knows all places where the pages of an executable image may be.
type pageSources struct {
	*nt.Mapping
	image *Image
}

// Restored returns the best reconstruction of the image's file. The error says in a sentence why there is none.
func (m *Module) Restored() (*restore.Result, error) {
	r := keep(m.im.faults, m.im.restorations, m, m.restore)
	return r.result, r.err
}

// RestoredSize returns the size of Restored's file, from headers alone. Its errors are the errors of Restored.
func (m *Module) RestoredSize() (int64, error) {
	if r, ok := m.im.restorations.Peek(m); ok {
		return r.size()
	}
	s := m.recovery().restoredSize()
	return s.n, s.err
}

// restoredSize is the size of a restored file, or the reason why there is no such file.
type restoredSize struct {
	n   int64
	err error
}

func (m *Module) findRestoredSize() restoredSize {
	before := m.im.faults.Count()
	s, err := m.sources()
	if err != nil {
		return restoredSize{err: err}
	}
	n, err := restore.Size(s.input())
	if failed := m.im.faults.Since(before); failed != nil {
		return restoredSize{err: fmt.Errorf("memimage: the size of the restored %s: %w", m.where.noun(), failed)}
	}
	return restoredSize{n, err}
}

// keptRestorations is the number of plans of restored files that are kept: rows and extents, some 100 bytes a page.
const keptRestorations = 32

// restoredFile is the outcome of a restoration: a plan. The bytes are read on demand.
type restoredFile struct {
	result *restore.Result
	err    error
}

func (r restoredFile) size() (int64, error) {
	if r.err != nil {
		return 0, r.err
	}
	return r.result.Reader.Size(), nil
}

func (m *Module) restore() restoredFile {
	before := m.im.faults.Count()
	s, err := m.sources()
	if err != nil {
		return restoredFile{err: err}
	}
	r, err := restore.Restore(s.input())
	if failed := m.im.faults.Since(before); failed != nil {
		return restoredFile{err: fmt.Errorf("memimage: restoring the %s: %w", m.where.noun(), failed)}
	}
	return restoredFile{r, err}
}

// sources returns the places of the image's pages.
func (m *Module) sources() (*pageSources, error) {
	s := m.recovery().sources()
	return s.sources, s.err
}

func (m *Module) findSources() foundSources {
	mapping, err := m.where.mapping()
	if err != nil {
		return foundSources{err: err}
	}
	return foundSources{sources: &pageSources{mapping, m.im}}
}

// noteDoubt is the note in every row of an image in which no byte is certain.
const noteDoubt = "the container of the image is damaged at an unknown place: see image.json"

func (s *pageSources) input() restore.Input {
	in := restore.Input{
		PageCount: int(s.pageCount()), ByRVA: s.byRVA, LoadBase: uint64(s.Base),
		KernelRelocates: s.image.Kernel.KernelRelocates() || s.Unbacked, Unbacked: s.Unbacked,
		Module: newLoadedModules(s.Owner, s.image.Kernel).module,
	}
	if len(s.image.Container.Doubts) > 0 {
		in.Doubt = noteDoubt
	}
	in.MappedEnd, in.MappedWhole = s.MappedEnd()
	if c := s.Cached; c != nil {
		in.ByFileOffset, in.FileSize = s.byFileOffset, c.Size
	}
	return in
}

// MaxImagePages bounds the pages of an executable: the 2 GiB that a header can claim at most.
const MaxImagePages = 1 << 19

// pageCount returns the pages of the image as the kernel says; 0 when it does not.
func (s *pageSources) pageCount() int64 { return min(max(0, s.Pages), MaxImagePages) }

// byFileOffset returns the cached page of the file at an offset.
func (s *pageSources) byFileOffset(off int64) []restore.Page {
	page, ok := s.Cached.Page(off)
	if !ok {
		return nil
	}
	return []restore.Page{s.candidate(page, restore.FileBytes, "")}
}

// byRVA returns the candidates for a page of the image, the best first: the section's own page, the process's, the
// section's by way of other processes. The last candidate, of kind Missing, says why the page is missing.
func (s *pageSources) byRVA(rva uint32) []restore.Page {
	switch {
	case s.Dumped:
		return s.dumped(rva)
	case s.Unbacked:
		return s.unbacked(rva)
	}
	out := make([]restore.Page, 0, 3)
	section, sectionErr := s.SectionPage(int64(rva))
	if sectionErr == nil {
		out = append(out, s.sectionPage(section))
	}
	own, ownErr := s.page(s.Own, rva)
	if ownErr == nil && !same(own, section, sectionErr) {
		out = append(out, s.processPage(own))
	}
	missing := missingPage(whyMissing(sectionErr, ownErr))
	if sectionErr != nil && ownErr != nil {
		out = append(out, s.shared(rva)...)
		missing.Gap = s.gap(sectionErr, ownErr)
	}
	return append(out, missing)
}

// gap returns how many bytes from a page on are missing for these reasons. It is 0 where only the first page is known
// to be missing: other processes may have the rest, and are not asked about more than one page.
func (s *pageSources) gap(section, own error) int64 {
	a, b := gapOf(section), gapOf(own)
	if min(a, b) > pageSize && len(s.image.sharers(s.mapping())) > 0 {
		return 0
	}
	return min(a, b)
}

// gapOf returns the number of bytes that a fault covers; 0 for another error.
func gapOf(err error) int64 {
	if fault, ok := err.(*paging.FaultError); ok {
		return fault.Size
	}
	return 0
}

// unbacked returns the page at an RVA of memory that is not mapped from an image.
func (s *pageSources) unbacked(rva uint32) []restore.Page {
	page, err := s.page(s.Space, rva)
	if err != nil {
		return nowhereElse(err)
	}
	return []restore.Page{s.processPage(page)}
}

// nowhereElse stands for a page that only the process could have, and that is missing for the given reason.
func nowhereElse(err error) []restore.Page {
	missing := missingPage(whyMissing(err, err))
	missing.Gap = gapOf(err)
	return []restore.Page{missing}
}

func missingPage(why string) restore.Page {
	return restore.Page{Kind: restore.Missing, Phys: -1, Label: why}
}

// page returns the page at an RVA in an address space that has the executable at its base.
func (s *pageSources) page(space *paging.Space, rva uint32) (paging.Page, error) {
	va := s.Base + paging.Virt(rva)
	page, err := space.Translate(va)
	if err != nil {
		return page, err
	}
	inside := int64(va-page.VA) &^ (pageSize - 1) // of a large page
	page.VA, page.Off, page.Size = page.VA+paging.Virt(inside), page.Off+inside, pageSize
	return page, nil
}

// same reports whether the process maps the section's own page: then the process has not written to it.
func same(own, section paging.Page, sectionErr error) bool {
	a, ok1 := own.Physical()
	b, ok2 := section.Physical()
	return sectionErr == nil && ok1 && ok2 && a == b
}

func (s *pageSources) sectionPage(page paging.Page) restore.Page {
	c := s.candidate(page, restore.Mapped, placeLabel(page))
	if s.image.Kernel.KernelRelocates() {
		c.Base = uint64(s.Base)
	}
	return c
}

// processPage is a page of the process's own. The process may have written to it.
func (s *pageSources) processPage(page paging.Page) restore.Page {
	kind := restore.Private
	switch page.State {
	case paging.PageFile:
		kind = restore.PageFile
	case paging.Compressed:
		kind = restore.Store
	}
	c := s.candidate(page, kind, placeLabel(page))
	c.Base = uint64(s.Base)
	return c
}

// candidate makes a candidate of a page, with the assumption about its bytes.
func (s *pageSources) candidate(page paging.Page, kind restore.Kind, label string) restore.Page {
	if page.Src == nil {
		return restore.Page{Kind: restore.Zero, Src: zeros{}, Phys: -1}
	}
	c := restore.Page{Kind: kind, Label: label, Src: page.Src, Off: page.Off, Phys: -1, Assumed: s.image.assumption(page, 0)}
	if pa, ok := page.Physical(); ok {
		c.Phys = int64(pa)
	}
	return c
}

// placeLabel says where the bytes of a page are; empty: in physical memory.
func placeLabel(page paging.Page) string {
	switch page.State {
	case paging.PageFile:
		return fmt.Sprintf("page file %d", page.File)
	case paging.Compressed:
		return restore.Store.String()
	}
	return ""
}

// zeros is a page of zeros.
type zeros struct{}

// Size returns the length of a page.
func (zeros) Size() int64 { return pageSize }

// Probe implements [sparse.Source].
func (zeros) Probe(off int64) (int64, error) {
	if off >= pageSize {
		return 0, io.EOF
	}
	return pageSize - off, nil
}

// ReadAt implements [sparse.Source].
func (zeros) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}

// whyMissing says why a page was not found: by the process's fault if that names a cause, and otherwise by the
// section's.
func whyMissing(section, own error) string {
	for _, err := range []error{own, section} {
		if fault, ok := err.(*paging.FaultError); ok && fault.State != paging.NotPresent && fault.State != paging.NotFollowed {
			return fault.Reason()
		}
	}
	if fault, ok := section.(*paging.FaultError); ok {
		return fault.Reason()
	}
	return "not present"
}

// lazily sets the functions of an image that work out a result once.
func (im *Image) lazily() {
	im.scanned = newScanResult[*Process]()
	im.drivers, im.scannedDrivers = sparse.Kept(im.faults, im.listDrivers), newScanResult[*Driver]()
	im.systemDevice = sparse.Kept(im.faults, im.findSystemDevice)
	im.processes = sparse.Kept(im.faults, im.list)
	im.executables = sparse.Kept(im.faults, im.findExecutables)
	im.mappings = sparse.Kept(im.faults, im.indexMappings)
	im.families = sparse.Kept(im.faults, im.findFamilies)
	im.secureKernel = sparse.Kept(im.faults, im.findSecureKernel)
	im.restorations, _ = lru.New[*Module, restoredFile](keptRestorations) // fails for a negative size only
	im.recoveries, _ = lru.New[*Module, *recovery](keptRecoveries)
	im.moduleLists, _ = lru.New[*Process, moduleList](keptModuleLists)
	im.changes, _ = lru.New[*Module, changes](keptChanges)
	im.mapped, _ = lru.New[*nt.Process, *integrity.Modules](keptMapped)
	im.exports, _ = lru.New[paging.Virt, exported](keptFileExports)
	im.sharersOf, _ = lru.New[mapping, []sharer](keptSharers)
	im.sharedPages, _ = lru.New[mappedPage, *restore.Page](keptSharedPages)
}

// RestoredOf returns the path of the file that Restored restores: the file that is mapped at the image's address, even
// where the process has changed the memory since. It is empty where the name cannot be read. ok is false where no file
// is mapped there: then the result is of memory alone.
func (m *Module) RestoredOf() (path string, ok bool) {
	s, err := m.sources()
	if err != nil || s.Unbacked {
		return "", false
	}
	return s.FileName(), true
}
