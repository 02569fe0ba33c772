package paging

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"memlens/memimage/sparse"
)

// Backing knows the memory at addresses without an entry in the page tables: the virtual address descriptors.
// PrototypePTE returns the address of the prototype entry of the page at va; false when there is none. The error is a
// *[sparse.ReadError]: then it is not known.
type Backing interface {
	PrototypePTE(va Virt) (Virt, bool, error)
}

// Bounded is a [Backing] that knows how far it has no entry. Unbacked is called for an address without an entry. It
// returns the end of the addresses from va on that have none for the same reason; at least one page. A header may claim
// gigabytes of such addresses.
type Bounded interface {
	Backing
	Unbacked(va Virt) (end Virt)
}

// Space is an address space: page tables in physical memory, or the memory of one process in a dump. It is immutable
// and safe for concurrent use.
type Space struct {
	mode    *Mode
	mem     sparse.Source // physical memory
	root    Phys
	soft    *Soft
	kernel  *Space // reads prototype entries; nil: they are not followed
	backing Backing
	swap    Swap // nil: there is none
	late    bool // physical memory is slow to read: see [sparse.Late]
	dumped  bool // mem is the address space itself: there are no page tables
}

// NewSpace returns the address space with its root table at dtb of physical memory mem, which is read in small pieces:
// give a [sparse.Cache]. soft may be nil for a processor's view; with it, pages and tables in transition are read, too,
// and faults have Windows' notes. Prototype entries and page files are not followed: see [Space.Follow].
func NewSpace(mode *Mode, mem sparse.Source, dtb Phys, soft *Soft) *Space {
	return &Space{mode: mode, mem: mem, root: dtb & Phys(mode.RootMask), soft: soft, late: sparse.IsLate(mem)}
}

// Sources are the ways beyond a process's own page tables. Any may be left out.
type Sources struct {
	Kernel  *Space  // the system's address space: prototype entries are read there
	Backing Backing // the process's virtual address descriptors
	Swap    Swap    // page files, and the compressed store
}

// Follow returns the same address space with further sources.
func (s *Space) Follow(src Sources) *Space {
	c := *s
	c.kernel, c.backing, c.swap = src.Kernel, src.Backing, src.Swap
	return &c
}

// Undescribed returns the same address space with all its sources except the address descriptors. At addresses without
// a descriptor it gives the same results, and is faster.
func (s *Space) Undescribed() *Space { return s.Follow(Sources{Kernel: s.kernel, Swap: s.swap}) }

// Mode returns the paging mode.
func (s *Space) Mode() *Mode { return s.mode }

// Root returns the physical address of the root table.
func (s *Space) Root() Phys { return s.root }

// frame is where a page or table was found; src is nil for zeros.
type frame struct {
	state State
	src   sparse.Source
	off   int64
	file  int // State PageFile or Compressed: the number of the page file
}

// valid is the frame at pa that a valid entry names.
func (s *Space) valid(pa Phys) frame { return frame{state: Valid, src: s.mem, off: int64(pa)} }

// Translate finds the page that va lies in. The error is a *[FaultError] that covers all addresses of the deciding
// entry, or wraps the *[sparse.ReadError] of a table or page that could not be read.
func (s *Space) Translate(va Virt) (Page, error) {
	if !s.mode.Canonical(va) {
		return Page{}, &FaultError{VA: va, Size: s.toCanonical(va), State: NotCanonical}
	}
	if s.dumped {
		return s.inDump(va)
	}
	table := s.valid(s.root)
	for i, l := range s.mode.Levels {
		entry, err := s.entry(table, s.mode.index(l, va))
		if err != nil {
			return Page{}, s.tableError(va, l, table, err)
		}
		if s.mode.valid(i, entry) {
			if s.mode.maps(i, entry) {
				return s.page(va, l, s.valid(s.mode.frame(entry, l.Shift)), ViaTable, entry)
			}
			table = s.valid(s.mode.frame(entry, 12))
			continue
		}
		if i == s.mode.last() || entry == 0 {
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

// tableError says why the entry for va could not be read from a table of level l: it is missing, or the source is
// damaged, which is no fault.
func (s *Space) tableError(va Virt, l Level, table frame, err error) error {
	if !isMissing(err) {
		return fmt.Errorf("paging: reading the page table at %#x for %#x: %w", table.off, uint64(va), err)
	}
	return s.fault(va, l, table.missing(table.off, err))
}

// missing is the fault of a page or table that cannot be read at offset off of its source, because of err.
func (f frame) missing(off int64, err error) FaultError {
	switch f.state {
	case PageFile:
		return FaultError{State: PageFile, File: f.file, Off: off}
	case Compressed:
		return FaultError{State: Compressed, File: f.file, Off: off, Err: sparse.Cause(err)}
	}
	return FaultError{State: Unreadable, Off: off, Err: sparse.Cause(err)}
}

// toCanonical returns how many bytes lie between va, not canonical, and the next canonical address, at most the largest
// int64.
func (s *Space) toCanonical(va Virt) int64 {
	const most = 1 << 62
	if !s.mode.Signed {
		return most
	}
	return int64(min(s.mode.System-va, most))
}

// entry reads the entry at byte offset index of a table.
func (s *Space) entry(table frame, index int64) (uint64, error) {
	if table.src == nil {
		return 0, nil // a table of zeros
	}
	if cache, ok := table.src.(*sparse.Cache); ok {
		if entry, ok := cache.Number(table.off+index, int(s.mode.EntrySize)); ok {
			return entry, nil
		}
	}
	var b [8]byte
	if _, err := readFull(table.src, b[:s.mode.EntrySize], table.off+index); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

// readFull fills p; an EOF is only an error when p was not filled.
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

// fault completes f: it starts at va and covers the addresses of an entry of level l.
func (s *Space) fault(va Virt, l Level, f FaultError) *FaultError {
	span := Virt(1) << l.Shift
	f.VA, f.Size = va, int64(span-va&(span-1))
	return &f
}

// page makes the page of level l around va from the place of its bytes, if the image holds the byte at va. The error is
// a *[FaultError], or from a failed read.
func (s *Space) page(va Virt, l Level, at frame, via Via, entry uint64) (Page, error) {
	size := int64(1) << l.Shift
	p := Page{VA: va &^ Virt(size-1), Size: size, State: at.state, Via: via, Src: at.src, Off: at.off, File: at.file, Entry: entry}
	if at.src == nil {
		return p, nil
	}
	inside := int64(va - p.VA)
	if _, err := at.src.Probe(at.off + inside); err != nil {
		if !isMissing(err) {
			return Page{}, fmt.Errorf("paging: the page at %#x: %w", uint64(va), err)
		}
		f := at.missing(at.off+inside, err)
		f.VA, f.Size, f.Via, f.Entry = va, gapWithin(err, size-inside), via, entry
		return Page{}, &f
	}
	return p, nil
}

// gapWithin returns how many of the next rest bytes are missing by err: all bytes, unless it is a gap.
func gapWithin(err error, rest int64) int64 {
	if gap, ok := errors.AsType[sparse.Gap](err); ok {
		return min(max(gap.Gap(), 1), rest)
	}
	return rest
}

// isMissing reports whether err says that bytes are missing. Otherwise the source is damaged.
func isMissing(err error) bool {
	_, gap := errors.AsType[sparse.Gap](err)
	return gap || errors.Is(err, io.EOF)
}
