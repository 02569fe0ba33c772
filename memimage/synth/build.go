package synth

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"memlens/memimage/profile"
)

// builder holds the shared state while a system is built.
type builder struct {
	System
	l        layout
	m        *machine
	mode     mode
	selfSlot uint64
	pdpts    []uint64 // free page directory pointer tables (PAE)
	k        *space   // the address space of the System process
	regions  regions
	nonpaged *pool
	pagedP   *pool
	kernel   *kernel
	sections map[*Executable]*section
	order    []*section // the same sections, in the order in which they were made
	procs    []*proc
	drivers  []*driver
	pageFile []byte
	store    *storeBuilder // nil: no compression store
	truth    Truth
}

// Build lays the system out. It fails when the profile lacks a structure that every system needs, when an executable
// is no PE file, or when memory is full.
func Build(sys System) (mem *Memory, err error) {
	defer func() {
		if r := recover(); r != nil {
			be, ok := r.(buildError)
			if !ok {
				panic(r)
			}
			err = be.error
		}
	}()
	b, err := newBuilder(sys)
	if err != nil {
		return nil, err
	}
	b.buildKernel()
	b.addMemCompression()
	for i := range b.Processes {
		b.addProcess(&b.Processes[i])
	}
	b.finish()
	return b.memory()
}

func newBuilder(sys System) (*builder, error) {
	if sys.Profile == nil {
		return nil, errors.New("synth: System.Profile is not set")
	}
	b := &builder{System: sys, l: newLayout(sys.Profile), sections: make(map[*Executable]*section)}
	b.defaults()
	if err := b.check(); err != nil {
		return nil, err
	}
	b.mode = modes[b.Paging]
	b.store = newStoreBuilder(b)
	b.m = newMachine(b.RAM, uint64(b.Lowest)>>pageShift, b.Seed)
	b.m.gap = uint64(b.Gap) >> pageShift
	b.selfSlot = b.chooseSelfMap()
	b.regions = regionsOf(b.l.build, b.x64(), b.randomSlot())
	b.k = b.newSpace()
	b.nonpaged = &pool{s: b.k, l: b.l, va: b.regions.nonpaged, ready: b.regions.nonpaged}
	b.pagedP = &pool{s: b.k, l: b.l, paged: true, va: b.regions.paged, ready: b.regions.paged}
	return b, nil
}

// version is the version that the kernel states.
func (b *builder) version() profile.Version {
	v := b.Profile.Version()
	v.Build = b.l.build
	return v
}

func (b *builder) x64() bool { return b.Profile.Arch() == profile.X64 }

func (b *builder) defaults() {
	if b.Paging == 0 {
		b.Paging = defaultPaging(b.Profile)
	}
	if b.Build != 0 {
		b.l.build = b.Build
	}
	if b.RAM == 0 {
		b.RAM = 64 << 20
	}
	if b.Time.IsZero() {
		b.Time = time.Date(2011, 1, 9, 19, 22, 39, 0, time.UTC)
	}
}

// defaultPaging is the mode that the profile's kernel normally runs in.
func defaultPaging(p *profile.Profile) Paging {
	switch known, pae := p.PAE(); {
	case p.Arch() == profile.X64:
		return X64
	case known && !pae || p.Version().Build < 6000:
		return X86
	}
	return PAE
}

// check refuses descriptions that no system can have.
func (b *builder) check() error {
	wide := b.Paging == X64 || b.Paging == LA57
	switch {
	case b.Profile.Arch() == profile.ARM64:
		return fmt.Errorf("synth: profile %s is for arm64, which synth does not build", b.Profile.Name())
	case b.Paging > LA57 || wide != b.x64():
		return fmt.Errorf("synth: profile %s is for %s, which does not page as %s", b.Profile.Name(), b.Profile.Arch(), b.Paging)
	case b.RAM < 8<<20 || b.RAM%pageSize != 0:
		return fmt.Errorf("synth: RAM of %d bytes: it must be whole pages, and 8 MiB at least", b.RAM)
	case b.Paging == X86 && b.RAM > 4<<30:
		return fmt.Errorf("synth: RAM of %d bytes is beyond what %s paging reaches", b.RAM, b.Paging)
	case b.Paging == LA57 && slices.ContainsFunc(b.Drivers, func(d Driver) bool { return d.Session }):
		return errors.New("synth: with LA57 paging there is no session space to map a driver in")
	case b.Store != nil && b.checkStore() != nil:
		return b.checkStore()
	case b.PageFile < 0 || b.PageFile > 15:
		return fmt.Errorf("synth: page file number %d: it must be 0 to 15", b.PageFile)
	}
	return nil
}

// chooseSelfMap picks the top-level slot through which the kernel sees its own
// page tables.
func (b *builder) chooseSelfMap() uint64 {
	switch {
	case b.Paging == X86:
		return 0x300
	case b.SelfMap != 0:
		return uint64(b.SelfMap)
	case b.l.build < 14393:
		return 0x1ed
	}
	return 0x100 + b.m.rng.Uint64N(0x60)
}

// randomSlot hands out kernel address ranges of 512 GiB, each once, and never the self map's.
func (b *builder) randomSlot() func() uint64 {
	next := 0x180 + b.m.rng.Uint64N(0x10)
	return func() uint64 {
		next += 1 + b.m.rng.Uint64N(0x10)
		if next == b.selfSlot {
			next++
		}
		return 0xffff000000000000 | next<<39
	}
}

// selfMapPAE is the address at which PAE kernels see their page tables: the four page directories serve as the tables
// of the 8 MiB from here.
const selfMapPAE = 0xc0000000

// newSpace makes an address space: its top tables and the self map.
func (b *builder) newSpace() *space {
	s := &space{mode: &b.mode, m: b.m}
	const flags = pteTable &^ pteUser
	switch b.Paging {
	case PAE:
		s.top = b.allocPDPT()
		for i := range uint64(4) {
			s.slot(i<<30, 21) // all four page directories exist
		}
		for i := range uint64(4) {
			pd := b.m.entry(s.top+8*i, 8) & frameMask
			b.m.setEntry(s.slot(selfMapPAE+i<<21, 21), 8, pd|flags)
		}
	default:
		s.top = b.allocTop() << pageShift
		b.m.setEntry(s.top+b.selfSlot*uint64(b.mode.entry), b.mode.entry, s.top|flags)
	}
	return s
}

// allocTop hands out a frame for a top table; 32-bit ones lie below 4 GiB.
func (b *builder) allocTop() uint64 {
	if b.x64() {
		return b.m.alloc()
	}
	return b.m.allocBelow(1 << 20)
}

// allocPDPT hands out a PAE page directory pointer table: 32 bytes of a page
// that many processes share.
func (b *builder) allocPDPT() uint64 {
	if len(b.pdpts) == 0 {
		page := b.m.allocBelow(1<<20) << pageShift
		for at := uint64(0); at < pageSize; at += 32 {
			b.pdpts = append(b.pdpts, page+at)
		}
	}
	pdpt := b.pdpts[0]
	b.pdpts = b.pdpts[1:]
	return pdpt
}

// shareKernel gives an address space the kernel's half of the System process.
func (b *builder) shareKernel(s *space) {
	shift := b.mode.levels[0]
	if b.Paging == PAE {
		shift = 21
	}
	step := uint64(1) << shift
	end := uint64(0)
	if !b.x64() {
		end = 1 << 32
	}
	for va := b.mode.kernel; va != end; va += step {
		if b.isSelfMap(va) {
			continue
		}
		if e := b.k.peek(va, shift); e != 0 {
			b.m.setEntry(s.slot(va, shift), b.mode.entry, e)
		}
	}
}

func (b *builder) isSelfMap(va uint64) bool {
	if b.Paging == PAE {
		return va >= selfMapPAE && va < selfMapPAE+4<<21
	}
	return b.k.index(va, b.mode.levels[0]) == b.selfSlot
}

// peek reads an entry without making tables.
func (s *space) peek(va uint64, shift uint) uint64 {
	table := s.top
	for _, at := range s.levels {
		e := s.m.entry(table+s.index(va, at)*uint64(s.entry), s.entry)
		if at == shift || e&pteValid == 0 {
			return e
		}
		table = e & frameMask
	}
	return 0
}
