package nt

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"memlens/memimage/paging"
)

// FindModules returns every executable in the process's address space, in the order of addresses: executables in the
// loader's lists, executables that are mapped as images, and executables that only their bytes show, in memory that can
// be executed and at the start of mapped files. The errors say what could not be read; the executables that were found
// are returned all the same.
func (p *Process) FindModules() ([]FoundModule, []error) {
	s := &moduleSearch{p: p, dumped: p.dumped, found: map[paging.Virt]*FoundModule{}}
	s.regions, s.errs = p.Regions()
	s.treeWhole = len(s.errs) == 0 && len(s.regions) > 0
	s.hasImage = slices.ContainsFunc(s.regions, func(r Region) bool { return r.Image })
	s.readLists()
	s.addMapped()
	s.addListed()
	s.addDumped()
	for i := range s.regions {
		s.lookInto(i)
	}
	for _, m := range s.found {
		s.classify(m)
	}
	return s.sorted(), s.errs
}

// moduleSearch is the search of a process for executables.
type moduleSearch struct {
	p        *Process
	dumped   *dumpedRegions // nil: the process is of a system's memory
	regions  []Region       // by address
	errs     []error
	found    map[paging.Virt]*FoundModule
	native   *LoaderLists // nil: not read
	wow64    *LoaderLists
	is32     bool        // a 32-bit process on 64-bit Windows
	main     paging.Virt // base of the program; 0 when not known
	scanned  int         // pages looked at so far
	examined int         // bytes read for the remains of erased headers

	broken bool // a read has failed

	treeWhole bool // all descriptors were read
	hasImage  bool // some descriptor is of an image: so descriptors mark images
}

func (s *moduleSearch) sorted() []FoundModule {
	out := make([]FoundModule, 0, len(s.found))
	for _, base := range slices.Sorted(maps.Keys(s.found)) {
		out = append(out, *s.found[base])
	}
	return out
}

// readLists reads the environment block and the loader's lists. Where the page tables are gone it reads none.
func (s *moduleSearch) readLists() {
	p := s.p
	s.main = p.base
	if p.PEB == 0 {
		return
	}
	if err := p.CheckSpace(); err != nil {
		s.errs = append(s.errs, err)
		return
	}
	env, err := p.environmentBlock(p.complete)
	if err != nil {
		s.errs = append(s.errs, err)
	} else {
		s.main = env.ImageBase
		s.native = env.Loader(p.kernel)
		s.errs = append(s.errs, s.native.Errs()...)
	}
	_, s.is32 = p.Wow64PEB()
	s.is32 = s.is32 && p.kernel.Mode.Arch.Guest32
	if s.wow64, err = p.Loader32(p.complete); err != nil {
		s.errs = append(s.errs, err)
	}
	if s.wow64 != nil {
		s.errs = append(s.errs, s.wow64.Errs()...)
	}
}

// region returns the region that va lies in; nil when there is none.
func (s *moduleSearch) region(va paging.Virt) *Region {
	i, _ := slices.BinarySearchFunc(s.regions, va, func(r Region, va paging.Virt) int { return cmp.Compare(r.Start, va+1) })
	if i == 0 || s.regions[i-1].End <= va {
		return nil
	}
	return &s.regions[i-1]
}

// addMapped adds the files that are mapped as executables.
func (s *moduleSearch) addMapped() {
	for i := range s.regions {
		if r := &s.regions[i]; r.Image {
			m := s.add(r.Start)
			m.Size = int64(r.End - r.Start)
			m.Header, m.Bits = s.mappedHeader(r.Start)
		}
	}
}

// add returns the module at an address, a new one where there was none.
func (s *moduleSearch) add(base paging.Virt) *FoundModule {
	if m, ok := s.found[base]; ok {
		return m
	}
	m := &FoundModule{Base: base, Main: base == s.main}
	if r := s.region(base); r != nil {
		m.VAD, m.HasVAD, m.Path = r.VAD, true, r.Path
	}
	s.found[base] = m
	return m
}

// mappedHeader returns the state of the header of a mapped image, and the width of its machine. The kernel checked both
// signatures before it mapped the image, so a missing signature was erased later.
func (s *moduleSearch) mappedHeader(base paging.Virt) (HeaderState, int) {
	m := memory{s.p.complete, s.p.kernel.kernel.pointer}
	head, err := m.record(base, 0x200)
	if err != nil {
		s.failed(err)
		return HeaderUnreadable, 0
	}
	at := head.u32(lfanewAt)
	if string(head.b[:2]) == "MZ" && at <= 0x200-8 && hasPE(head.b, int64(at)) {
		return HeaderIntact, machineBits(head.b[at+4:])
	}
	if page, _ := m.record(base, pageSize); len(page.b) == pageSize {
		head = page
	}
	if string(head.b[:2]) == "MZ" && at <= uint64(len(head.b)-8) && hasPE(head.b, int64(at)) {
		return HeaderIntact, machineBits(head.b[at+4:])
	}
	if h, ok := findPEHeader(head.b); ok {
		return h.state, h.bits
	}
	return HeaderWiped, 0
}

// addListed adds the modules in the lists.
func (s *moduleSearch) addListed() {
	for _, lists := range []*LoaderLists{s.native, s.wow64} {
		if lists == nil {
			continue
		}
		for i := range lists.Entries {
			e := &lists.Entries[i]
			if e.Base == 0 || e.Base%pageSize != 0 {
				s.errs = append(s.errs, fmt.Errorf("nt: the module list entry at %#x has the base %#x, which no module can have", uint64(e.VA), uint64(e.Base)))
				continue
			}
			s.list(s.add(e.Base), e, lists == s.wow64)
		}
	}
}

// list notes the entry of a module. Of two entries with one base the first counts.
func (s *moduleSearch) list(m *FoundModule, e *LoaderEntry, wow64 bool) {
	if wow64 {
		m.Entry32 = cmp.Or(m.Entry32, e)
	} else {
		m.Entry = cmp.Or(m.Entry, e)
	}
	if m.Size == 0 {
		m.Size = int64(e.Size)
	}
	if m.Bits == 0 && (wow64 || !s.is32) {
		m.Bits = e.Bits
	}
	if r := s.region(e.Patch); m.Patch == 0 && r != nil && r.Image && r.Start == e.Patch {
		m.Patch = e.Patch
	}
}
