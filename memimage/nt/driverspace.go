package nt

import (
	"errors"
	"iter"
	"slices"
	"sync"

	"memlens/memimage/paging"
	"memlens/memimage/sparse"
)

// DriverSpace is the address space through which a driver's image is read.
type DriverSpace struct {
	Tables   *paging.Space // page tables only: valid pages and pages in transition, as in Volatility
	Complete *paging.Space // all sources: prototype entries and page files, too
	Owner    *Process      // the process with these page tables; nil: the kernel's own
	Header   bool          // Tables has the page at the driver's base; without it Volatility dumps nothing
}

// DriverSpace returns the address space for a driver of so many bytes at base. It chooses as Volatility 2 does
// (tasks.find_space): the kernel's space if that has the page at base, or else the space of the first process in the
// list that has it, which is in the driver's session. Where no space has it, it is the first space in which all sources
// have that page, or else any page of the driver. false: nothing of the driver is in memory.
func (k *Kernel) DriverSpace(base paging.Virt, size uint32) (DriverSpace, bool) {
	return k.newDriverSpaces().find(base, size)
}

// driverSpaces finds the address spaces of drivers. Processes are read when the first driver needs them.
type driverSpaces struct {
	k      *Kernel
	kernel DriverSpace
	procs  func() []DriverSpace
	steps  int // that were used
}

func (k *Kernel) newDriverSpaces() *driverSpaces {
	tables := paging.NewSpace(k.Mode, k.cache, k.DTB(), k.soft)
	return &driverSpaces{k: k,
		kernel: DriverSpace{Tables: tables, Complete: tables.Follow(paging.Sources{Kernel: k.Space, Swap: k.swap})},
		procs:  sync.OnceValue(k.processSpaces)}
}

// processSpaces returns the spaces of the processes in the list that have their page tables in memory.
func (k *Kernel) processSpaces() []DriverSpace {
	var out []DriverSpace
	for p, err := range k.Processes() {
		if err == nil && p.DTB != k.DTB() && p.CheckSpace() == nil {
			out = append(out, DriverSpace{Tables: p.tables, Complete: p.complete, Owner: p})
		}
	}
	return out
}

// all yields the kernel's space and the processes' spaces, until yield returns false.
func (s *driverSpaces) all(yield func(DriverSpace) bool) {
	if !yield(s.kernel) {
		return
	}
	for _, p := range s.procs() {
		if !yield(p) {
			return
		}
	}
}

// sessions yields the kernel's space and the space of one process of each session: the others map the same drivers.
func (s *driverSpaces) sessions(yield func(DriverSpace) bool) {
	seen := map[paging.Virt]bool{}
	for d := range s.all {
		if d.Owner != nil && s.k.layout.EPROCESS.Session.Present() {
			if seen[d.Owner.session] {
				continue
			}
			seen[d.Owner.session] = true
		}
		if !yield(d) {
			return
		}
	}
}

func (s *driverSpaces) find(base paging.Virt, size uint32) (found DriverSpace, ok bool) {
	for _, look := range []struct {
		among iter.Seq[DriverSpace]
		has   func(DriverSpace) bool
	}{
		{s.all, func(d DriverSpace) bool { return s.hasPage(d.Tables, base) }},
		{s.all, func(d DriverSpace) bool { return s.hasPage(d.Complete, base) }},
		{s.sessions, func(d DriverSpace) bool { return s.hasAnyPage(d.Tables, base, size) }},
		{s.sessions, func(d DriverSpace) bool { return s.hasAnyPage(d.Complete, base, size) }},
	} {
		for d := range look.among {
			if look.has(d) {
				d.Header = hasPage(d.Tables, base)
				return d, true
			}
		}
	}
	return DriverSpace{}, false
}

// maxDriverSteps bounds the pages, and tables without pages, that are looked up to find the spaces of all drivers of a
// list.
const maxDriverSteps = 1 << 19

// errDriverSteps says that a driver was not looked for everywhere.
var errDriverSteps = errors.New("whether any of its image is in memory is not known: the list claims more than can be looked up")

// spend takes a step; false when all are used up.
func (s *driverSpaces) spend() bool {
	s.steps++
	return s.steps <= maxDriverSteps
}

func (s *driverSpaces) hasPage(space *paging.Space, va paging.Virt) bool {
	return s.spend() && hasPage(space, va)
}

// hasPage reports whether a space has the page at va. A page that is present and cannot be read counts: reading it
// gives the error.
func hasPage(space *paging.Space, va paging.Virt) bool {
	_, err := space.Translate(va)
	return err == nil || sparse.Failed(err)
}

// hasAnyPage reports whether a space has any page of a driver.
func (s *driverSpaces) hasAnyPage(space *paging.Space, base paging.Virt, size uint32) bool {
	w := space.Window(base, int64(min(size, maxDriver)))
	for off := int64(0); off < w.Size() && s.spend(); {
		n, err := w.Probe(off)
		if err == nil || sparse.Failed(err) {
			return true
		}
		off += max(n, 1)
	}
	return false
}

// classify completes a driver by the parts of its image in memory.
func (s *driverSpaces) classify(d *Driver) {
	space, ok := s.find(d.Base, d.Size)
	d.Kind, d.Space = s.kind(d, space, ok), space
	if s.steps > maxDriverSteps {
		d.Damage = errors.Join(d.Damage, errDriverSteps)
	}
}

// kind is the kind of a driver in the list.
func (s *driverSpaces) kind(d *Driver, space DriverSpace, ok bool) DriverKind {
	if !ok {
		return DriverNoImage
	}
	if !hasPage(space.Complete, d.Base) {
		return DriverNoHeader
	}
	h, err := s.k.driverHeader(space.Complete, d.Base)
	switch {
	case sparse.Failed(err) || h != nil && space.Owner == nil:
		return DriverLoaded
	case h != nil:
		return DriverInSession
	case s.isBlank(space.Complete.Window(d.Base, int64(d.Size))):
		return DriverNoImage
	}
	return DriverOverwritten
}

// isBlank reports whether nothing but zeros is there.
func (s *driverSpaces) isBlank(w sparse.Source) bool {
	page := make([]byte, pageSize)
	for off := int64(0); off < w.Size() && s.spend(); {
		n, err := w.ReadAt(page[:min(pageSize, w.Size()-off)], off)
		if sparse.Failed(err) || slices.ContainsFunc(page[:n], func(b byte) bool { return b != 0 }) {
			return false
		}
		if n == 0 {
			hole, _ := w.Probe(off)
			n = int(max(hole, 1))
		}
		off += int64(n)
	}
	return true
}
