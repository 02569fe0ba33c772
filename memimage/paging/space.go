package paging

import (
	"encoding/binary"
	"errors"
	"io"

	"memlens/memimage/sparse"
)

// Backing knows what stands behind the addresses of which the page tables say nothing: the virtual address
// descriptors. PrototypePTE returns the address of the prototype entry of the page at va; false when there is none.
type Backing interface {
	PrototypePTE(va Virt) (Virt, bool)
}

// Space is an address space: page tables in physical memory. It is immutable and safe for concurrent use.
type Space struct {
	mode    *Mode
	mem     io.ReaderAt // physical memory
	root    Phys
	soft    *Soft
	kernel  *Space // reads prototype entries; nil: they are not followed
	backing Backing
	files   []io.ReaderAt // page files by number
}

// NewSpace returns the address space whose root table is at dtb of physical memory mem, which is read in small pieces:
// give a [sparse.Cache]. soft may be nil for a processor's view; with it, pages and tables in transition are read, too,
// and faults say what Windows noted. Prototype entries and page files are not followed: see [Space.Follow].
func NewSpace(mode *Mode, mem io.ReaderAt, dtb Phys, soft *Soft) *Space {
	return &Space{mode: mode, mem: mem, root: dtb & Phys(mode.RootMask), soft: soft}
}

// Sources are the ways beyond a process's own page tables. Any may be left out.
type Sources struct {
	Kernel    *Space        // the system's address space: prototype entries are read there
	Backing   Backing       // the process's virtual address descriptors
	PageFiles []io.ReaderAt // by number; a nil one was not given
}

// Follow returns the same address space with further sources.
func (s *Space) Follow(src Sources) *Space {
	c := *s
	c.kernel, c.backing, c.files = src.Kernel, src.Backing, src.PageFiles
	return &c
}

// Mode returns the paging mode.
func (s *Space) Mode() *Mode { return s.mode }

// Root returns the physical address of the root table.
func (s *Space) Root() Phys { return s.root }

// frame is where a page or table was found; src is nil for zeros.
type frame struct {
	state State
	src   io.ReaderAt
	off   int64
}

// Translate finds the page that va lies in. The error is a *[FaultError] that covers all that the deciding entry does.
func (s *Space) Translate(va Virt) (Page, error) {
	if !s.mode.Canonical(va) {
		return Page{}, &FaultError{VA: va, Size: s.toCanonical(va), State: NotCanonical}
	}
	table := frame{Valid, s.mem, int64(s.root)}
	last := len(s.mode.Levels) - 1
	for i, l := range s.mode.Levels {
		entry, err := s.entry(table, s.mode.index(l, va))
		if err != nil {
			return Page{}, s.fault(va, l, FaultError{State: Unreadable, Off: table.off})
		}
		if entry&entryValid != 0 && (i == last || l.Large && entry&entryLarge != 0) {
			at := frame{Valid, s.mem, int64(s.mode.frame(entry, l.Shift))}
			return s.page(va, l, at, ViaTable, entry)
		}
		if entry&entryValid != 0 {
			table = frame{Valid, s.mem, int64(s.mode.frame(entry, 12))}
			continue
		}
		if i == last || entry == 0 {
			return s.resolve(va, l, entry)
		}
		at, fault := s.decode(entry)
		if fault != nil {
			return Page{}, s.fault(va, l, *fault)
		}
		table = at
	}
	panic("paging: a mode without levels")
}

// toCanonical returns how many bytes lie between va, not canonical, and the next canonical address.
func (s *Space) toCanonical(va Virt) int64 {
	if s.mode.VirtBits == 32 {
		return 1 << 62
	}
	return int64(-(1 << (s.mode.VirtBits - 1)) - va)
}

// entry reads the entry at byte offset index of a table.
func (s *Space) entry(table frame, index int64) (uint64, error) {
	if table.src == nil {
		return 0, nil // a table of zeros
	}
	return readEntry(table.src, table.off+index, s.mode.EntrySize)
}

func readEntry(r io.ReaderAt, off int64, size int) (uint64, error) {
	var b [8]byte
	if _, err := readFull(r, b[:size], off); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

// readFull reads all of p; an EOF is only an error when p was not filled.
func readFull(r io.ReaderAt, p []byte, off int64) (int, error) {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return n, nil
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// fault completes f: it starts at va and covers what an entry of level l does.
func (s *Space) fault(va Virt, l Level, f FaultError) *FaultError {
	span := Virt(1) << l.Shift
	f.VA, f.Size = va, int64(span-va&(span-1))
	return &f
}

// page makes the page of level l around va from where its bytes are, if the image holds them.
func (s *Space) page(va Virt, l Level, at frame, via Via, entry uint64) (Page, error) {
	size := int64(1) << l.Shift
	p := Page{VA: va &^ Virt(size-1), Size: size, State: at.state, Via: via, Src: at.src, Off: at.off, Entry: entry}
	if at.src == nil {
		return p, nil
	}
	inside := int64(va - p.VA)
	if n, err := sparse.Probe(at.src, at.off+inside, at.off+size); err != nil {
		if errors.Is(err, io.EOF) {
			n = size - inside
		}
		return Page{}, &FaultError{VA: va, Size: min(max(n, 1), size-inside), State: Unreadable, Via: via, Entry: entry, Off: at.off + inside}
	}
	return p, nil
}

func isGap(err error) bool {
	var g sparse.Gap
	return errors.As(err, &g)
}
