package memimage

import (
	"errors"
	"fmt"

	"memlens/memimage/integrity"
	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/pedump"
	"memlens/memimage/reason"
	"memlens/memimage/sparse"
)

// Module is an executable image in an address space, with the file as far as it can be recovered. A result is worked
// out at the first call and kept; results are headers and extents, never bytes. They are kept only for the images that
// were used last: for thousands of images they take much memory, and finding them again takes little time. Counts and
// sizes are kept for every image.
type Module struct {
	Owner *Process // the process that has the address space; nil: the kernel

	im     *Image
	where  location
	counts func() Counts

	memorySize, fileSize func() dumpSize // of the classic dumps
}

// dumpSize is the size of a classic dump in bytes, or why there is none.
type dumpSize struct {
	n   int64
	err error
}

// recovery holds the findings about an image.
type recovery struct {
	headers    func() headers
	memoryDump func() dumped
	fileDump   func() dumped
	sources    func() foundSources

	restoredSize func() restoredSize
	pages        func() []Page // of a small image
}

// foundSources are the places of an image's pages, or why there are none.
type foundSources struct {
	sources *pageSources
	err     error
}

// keptRecoveries is the number of images whose recovery is kept.
const keptRecoveries = 128

// recovery returns the findings that are kept for the image; the rest is worked out on demand.
func (m *Module) recovery() *recovery {
	if r, ok := m.im.recoveries.Get(m); ok {
		return r
	}
	r := new(recovery)
	r.headers = sparse.Kept(m.im.faults, m.readHeaders)
	r.memoryDump = sparse.Kept(m.im.faults, func() dumped { return m.dump(r.headers(), "memory", (*pedump.Image).MemoryLayout) })
	r.fileDump = sparse.Kept(m.im.faults, func() dumped { return m.dump(r.headers(), "file", (*pedump.Image).FileLayout) })
	r.sources = sparse.Kept(m.im.faults, m.findSources)
	r.restoredSize = sparse.Kept(m.im.faults, m.findRestoredSize)
	r.pages = sparse.Kept(m.im.faults, m.findPages)
	if known, ok, _ := m.im.recoveries.PeekOrAdd(m, r); ok {
		return known
	}
	return r
}

func (m *Module) headers() headers { return m.recovery().headers() }

// location says where an executable image lies.
type location interface {
	// noun is the word for the image in sentences.
	noun() string
	// name and path are the file's as the kernel has them, and names all file names of the image.
	name() string
	path() string
	// claimedPath is the path that the process itself has.
	claimedPath() (path string, redirected bool)
	names() []string
	// classic returns the address space from which the classic dumps are read, and the image's address. The error says
	// in a sentence why there is no classic dump.
	classic() (*paging.Space, paging.Virt, error)
	// address returns the image's address; 0 when it is not known.
	address() paging.Virt
	// space returns the address space with all sources.
	space() *paging.Space
	// CheckSpace returns an error when the page tables do not, or no longer, belong to the address space.
	CheckSpace() error
	// pages returns how many pages the image at base has, as the kernel says; 0 when it does not.
	pages(base paging.Virt) int64
	// mapping returns all sources of the image's pages. The error says in a sentence why it has none.
	mapping() (*nt.Mapping, error)
	// backing returns the kind of memory at the image. s holds the sources of its pages.
	backing(s *pageSources) integrity.Backing
}

// headers are an executable's headers as Volatility would choose and read them.
type headers struct {
	window *paging.Window
	header *pedump.Image
	err    error
}

func (im *Image) module(owner *Process, where location) *Module {
	m := &Module{Owner: owner, im: im, where: where}
	m.counts = sparse.Kept(im.faults, m.countPages)
	m.memorySize = sparse.Kept(im.faults, func() dumpSize { return sizeOf(m.MemoryDump()) })
	m.fileSize = sparse.Kept(im.faults, func() dumpSize { return sizeOf(m.FileDump()) })
	return m
}

// Image returns the memory image that holds the module.
func (m *Module) Image() *Image { return m.im }

// ImageBase returns the address of the image; 0 when it is not known.
func (m *Module) ImageBase() paging.Virt { return m.where.address() }

func (m *Module) readHeaders() headers {
	space, base, err := m.where.classic()
	if err != nil {
		return headers{err: err}
	}
	window := moduleWindow(space, base)
	if _, err := window.Probe(0); sparse.Failed(err) {
		return headers{err: fmt.Errorf("memimage: the %s's header page at %#x: %w", m.where.noun(), uint64(base), err)}
	} else if err != nil {
		return headers{err: reason.Errorf(reason.HeaderMissing, "the %s's header page at %#x is missing: %w%s", m.where.noun(), uint64(base), unplaced(err), m.elsewhere(base))}
	}
	header, err := pedump.Parse(window)
	return headers{window, header, err}
}

// elsewhere says in words where the page at an address is when the page tables alone do not lead to it; empty: nowhere.
func (m *Module) elsewhere(va paging.Virt) string {
	if m.im.options.AllPages {
		return ""
	}
	page, err := m.where.space().Translate(va)
	if err != nil || page.Src == nil {
		return ""
	}
	return fmt.Sprintf(" (--pages all takes it from %s)", sourceOf(page).place())
}

// moduleWindow returns the window in which a module's offsets are RVAs. It goes on behind the module: a section that
// claims too many bytes gets the bytes that are mapped there.
func moduleWindow(space *paging.Space, base paging.Virt) *paging.Window {
	return space.Window(base, space.Mode().UserSpace())
}

// anyHeader returns the headers of the image at base, from any source, or nil.
func (m *Module) anyHeader(base paging.Virt) *pedump.Image {
	if h := m.headers(); h.err == nil {
		return h.header
	}
	h, err := pedump.Parse(moduleWindow(m.where.space(), base))
	if err != nil {
		return nil
	}
	return h
}

// unplaced strips the address off a fault: the sentence has it already.
func unplaced(err error) error {
	var fault *paging.FaultError
	if errors.As(err, &fault) {
		return errors.New(fault.Reason())
	}
	return err
}

// Executable is the file of an executable image as it was recovered, in one of the layouts.
type Executable struct {
	Reader *sparse.Reader // strict: a missing page is a hole that says why
	Header *pedump.Image
	Base   paging.Virt // where it lies in the address space
	Layout string      // "memory" or "file"

	present func() present
}

// present is how much of a file was recovered.
type present struct {
	n   int64
	err error
}

// Present returns how many bytes of the file were recovered. The error is a *[sparse.ReadError].
func (e *Executable) Present() (int64, error) {
	p := e.present()
	return p.n, p.err
}

// dumped is an Executable or why there is none.
type dumped struct {
	exe *Executable
	err error
}

// MemoryDump returns the image in its memory layout, as Volatility 2 writes it for a process by procmemdump, for a
// module by dlldump --memory, for a driver by moddump --memory. The error says in a sentence why that is not possible.
func (m *Module) MemoryDump() (*Executable, error) {
	d := m.recovery().memoryDump()
	return d.exe, d.err
}

// FileDump returns the image realigned to its layout on disk, as Volatility 2 writes it for a process by procexedump,
// for a module by dlldump, for a driver by moddump. The error says in a sentence why that is not possible.
func (m *Module) FileDump() (*Executable, error) {
	d := m.recovery().fileDump()
	return d.exe, d.err
}

// MemorySize returns the size of MemoryDump in bytes, or its error.
func (m *Module) MemorySize() (int64, error) {
	s := m.memorySize()
	return s.n, s.err
}

// FileSize returns the size of FileDump in bytes, or its error.
func (m *Module) FileSize() (int64, error) {
	s := m.fileSize()
	return s.n, s.err
}

func sizeOf(e *Executable, err error) dumpSize {
	if err != nil {
		return dumpSize{err: err}
	}
	return dumpSize{n: e.Reader.Size()}
}

func (m *Module) dump(h headers, name string, layout func(*pedump.Image, sparse.Source) (*sparse.Reader, error)) dumped {
	if h.err != nil {
		return dumped{err: h.err}
	}
	r, err := layout(h.header, h.window)
	if err != nil {
		return dumped{err: err}
	}
	count := sparse.Kept(m.im.faults, func() present {
		n, err := sparse.Present(r)
		return present{n, err}
	})
	return dumped{exe: &Executable{Reader: r, Header: h.header, Base: h.window.Base(), Layout: name, present: count}}
}

// Name returns the file name of the image in full, by the kernel's path where that is known.
func (m *Module) Name() string { return m.where.name() }

// Path returns the path of the image's file as the kernel has it. Empty when it cannot be read.
func (m *Module) Path() string { return m.where.path() }

// ClaimedPath returns the path of the image's file as the process itself has it, in memory that it can write to; for a
// driver as the kernel has it. Empty when it cannot be read. redirected is true where the path is from the loader of a
// 32-bit process on 64-bit Windows: such a process sees another folder as System32.
func (m *Module) ClaimedPath() (path string, redirected bool) { return m.where.claimedPath() }

// Names returns all names of the image: file names, some perhaps cut off or empty.
func (m *Module) Names() []string { return m.where.names() }
