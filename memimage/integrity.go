package memimage

import (
	"errors"
	"fmt"

	"memlens/memimage/integrity"
	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/pe"
	"memlens/memimage/reason"
	"memlens/memimage/sparse"
)

// Changes compares the memory of the image with the file that it was mapped from. The error says in a sentence why that
// cannot be done.
func (m *Module) Changes() (*integrity.Result, error) {
	c := keep(m.im.faults, m.im.changes, m, m.findChanges)
	return c.result, c.err
}

// changes is the outcome of a comparison.
type changes struct {
	result *integrity.Result
	err    error
}

// keptChanges is the number of images whose comparison is kept.
const keptChanges = 256

func (m *Module) findChanges() changes { return m.compare(integrity.Compare) }

// CheckChanges says in a sentence why Changes must fail, without a comparison.
func (m *Module) CheckChanges() error {
	if m.im.IsDump() {
		return reason.Errorf(reason.DumpHasNoFile, "the dump of a process does not have the pages that the system keeps of the file: compare with a reference")
	}
	if m.Owner == nil {
		return reason.Errorf(reason.DriverHasNoFile, "the kernel has its drivers in pages of its own, which no file is mapped to")
	}
	if _, err := m.sources(); err != nil {
		return err
	}
	return m.where.CheckSpace()
}

// EachChange does the same as Changes, and reports every byte that is compared to a witness.
func (m *Module) EachChange(w integrity.Witness) (*integrity.Result, error) {
	c := m.compare(func(in integrity.Input) (*integrity.Result, error) { return integrity.CompareFor(in, w) })
	return c.result, c.err
}

// compare compares the memory of the image with its file by a function of package integrity.
func (m *Module) compare(by func(integrity.Input) (*integrity.Result, error)) changes {
	before := m.im.faults.Count()
	if err := m.CheckChanges(); err != nil {
		return changes{err: err}
	}
	s, err := m.sources()
	if err != nil {
		return changes{err: err}
	}
	r, err := by(s.comparison(m.where.backing(s)))
	if failed := m.im.faults.Since(before); failed != nil {
		m.im.mapped.Purge() // results that were noted meanwhile may be wrong
		m.im.exports.Purge()
		return changes{err: fmt.Errorf("memimage: comparing the %s with its file: %w", m.where.noun(), failed)}
	}
	return changes{r, err}
}

// backing returns the kind of memory at the process's own executable.
func (m *mainImage) backing(s *pageSources) integrity.Backing {
	own, err := m.ImageArea()
	switch {
	case s.AsData:
		return integrity.AsData
	case s.Unbacked && err != nil:
		return integrity.Unbacked
	case s.Unbacked:
		return integrity.Replaced
	case err == nil && s.Area != 0 && own != s.Area:
		return integrity.OtherFile
	}
	return s.fileFate()
}

// backing returns the kind of memory at a module that is not the process's own executable, by how it was found. Where
// descriptors are lost, or do not mark images, a module that the loader lists is taken for its file.
func (m *moduleImage) backing(s *pageSources) integrity.Backing {
	switch {
	case s.AsData && (m.found.Kind == nt.KindHollowed || m.found.Listed() == nil):
		return integrity.AsData
	case m.found.Kind == nt.KindHollowed && s.Unbacked:
		return integrity.Replaced
	case m.found.Kind == nt.KindHollowed:
		return integrity.OtherFile
	case s.Unbacked && m.found.Listed() == nil:
		return integrity.Unbacked
	}
	return s.fileFate()
}

// backing is always Unbacked: drivers are in memory that belongs to no file.
func (d *driverImage) backing(*pageSources) integrity.Backing { return integrity.Unbacked }

// fileFate tells apart a deleted file, a file that is part of a transaction, and any other file.
func (s *pageSources) fileFate() integrity.Backing {
	deleted, transacted := s.image.Kernel.FileFate(s.File)
	switch {
	case deleted:
		return integrity.Deleted
	case transacted:
		return integrity.Transacted
	}
	return integrity.ItsFile
}

// comparison returns the facts about the image for package integrity.
func (s *pageSources) comparison(b integrity.Backing) integrity.Input {
	space := s.Space
	in := integrity.Input{
		Pages: int(s.pageCount()), LoadBase: uint64(s.Base), KernelRelocates: s.image.Kernel.KernelRelocates(), Backing: b,
		Memory: s.ownPage, File: s.filePage,
		Modules: func() *integrity.Modules { return s.image.mappedModules(s.Owner) },
		Read: func(b []byte, va uint64) bool {
			n, _ := space.ReadVirt(b, paging.Virt(va))
			return n == len(b)
		},
	}
	if len(s.image.Container.Doubts) > 0 {
		in.Doubt = noteDoubt
	}
	if c := s.Cached; c != nil {
		in.Cached = func(off int64) (integrity.Page, error) {
			page, ok := c.Page(off)
			if !ok {
				return integrity.Page{}, &sparse.HoleError{Off: off, Len: pageSize, Err: errNotCached}
			}
			return integrityPage(page), nil
		}
	}
	return in
}

var (
	errNotCached = reason.Errorf(reason.NotCached, "not in the file cache")
	errNoCopy    = reason.Errorf(reason.NoOwnCopy, "not in memory, and the process has no copy of its own")
)

// ownPage is integrity.Input.Memory: the process's own page, if it has one besides the section's.
func (s *pageSources) ownPage(rva uint32) (integrity.Page, error) {
	own, err := s.page(s.Own, rva)
	section, sectionErr := s.SectionPage(int64(rva))
	var fault *paging.FaultError
	switch noCopy := errors.As(err, &fault) && fault.State == paging.NotFollowed; {
	case noCopy && sectionErr == nil || err == nil && same(own, section, sectionErr):
		return integrity.Page{}, integrity.ErrShared
	case noCopy && !sparse.Failed(sectionErr):
		return integrity.Page{}, &sparse.HoleError{Off: int64(rva), Len: pageSize, Err: errNoCopy}
	case noCopy:
		return integrity.Page{}, sectionErr
	case err != nil:
		return integrity.Page{}, kindOfGap(err)
	}
	return integrityPage(own), nil
}

// filePage is integrity.Input.File: the section's own page, or a page that other processes prove to be the same.
func (s *pageSources) filePage(rva uint32) (integrity.Page, error) {
	page, err := s.SectionPage(int64(rva))
	if err == nil {
		return integrityPage(page), nil
	}
	if sparse.Failed(err) {
		return integrity.Page{}, err
	}
	for _, c := range s.shared(rva) {
		return integrity.Page{Src: c.Src, Off: c.Off}, nil
	}
	return integrity.Page{}, kindOfGap(err)
}

// integrityPage converts a page for package integrity.
func integrityPage(page paging.Page) integrity.Page {
	if page.Src == nil {
		return integrity.Page{Src: zeros{}}
	}
	return integrity.Page{Src: page.Src, Off: page.Off}
}

// kindOfGap says why a page is missing, without where it is, so that such pages can be counted together.
func kindOfGap(err error) error {
	var fault *paging.FaultError
	if !errors.As(err, &fault) {
		return err
	}
	return &sparse.HoleError{Off: int64(fault.VA), Len: max(1, fault.Size), Err: reason.Errorf(fault.ReasonCode(), "%s", gapWords[fault.State])}
}

// gapWords are the states of pages that are missing, in words.
var gapWords = map[paging.State]string{
	paging.PageFile: "in a page file that is not given", paging.FileOnly: "only in the file on disk", paging.Compressed: "in the compressed store",
	paging.NotPresent: "nowhere: no page was ever there", paging.Unreadable: "in memory that the image does not hold", paging.NotCanonical: "no such address",
}

// mappedModules returns the images that a process has mapped, by its address descriptors. These know all images,
// whatever the loader's lists say.
func (im *Image) mappedModules(p *nt.Process) *integrity.Modules {
	return keep(im.faults, im.mapped, p, func() *integrity.Modules { return im.findMapped(p) })
}

// keptMapped is the number of processes whose mapped images are kept.
const keptMapped = 16

func (im *Image) findMapped(p *nt.Process) *integrity.Modules {
	var list []integrity.Module
	partial := false
	for v, err := range p.VADs() {
		if err != nil || len(list) == maxModules {
			partial = true
			break
		}
		if !v.Image {
			continue
		}
		s := &pageSources{p.Mapping(v.Start), im}
		name := s.FileName()
		partial = partial || name == ""
		list = append(list, integrity.Module{
			Name: baseName(name), Base: uint64(v.Start), Size: uint64(v.End - v.Start), Exports: s.keptExports,
		})
	}
	return integrity.NewModules(list, partial || len(list) == 0)
}

// maxModules bounds the images of a process that are looked at.
const maxModules = 1 << 12

// exported holds the exports of a file.
type exported struct {
	exports *pe.Exports
	own     bool // by the file's own pages
	err     error
}

// keptExports is integrity.Module.Exports. The result from a file's own pages is the same for all processes that map
// it.
func (s *pageSources) keptExports() (*pe.Exports, bool, error) {
	if e, ok := s.image.exports.Get(s.Area); ok && s.Area != 0 {
		return e.exports, e.own, e.err
	}
	var e exported
	before := s.image.faults.Count()
	e.exports, e.own, e.err = s.exports()
	if e.own && e.err == nil && s.Area != 0 && s.image.faults.Count() == before {
		s.image.exports.Add(s.Area, e)
	}
	return e.exports, e.own, e.err
}

// keptFileExports is the number of files whose exports are kept.
const keptFileExports = 256

// exports reads the exports of the image.
func (s *pageSources) exports() (*pe.Exports, bool, error) {
	in := s.comparison(integrity.ItsFile)
	f, own, err := integrity.OpenFile(in)
	if sparse.Failed(err) {
		return nil, false, err
	}
	if err != nil {
		return nil, false, nil
	}
	e, err := f.Exports()
	if err != nil && !sparse.Failed(err) {
		return nil, false, nil
	}
	return e, own(), err
}
