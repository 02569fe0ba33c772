package paging

import (
	"fmt"
	"testing"

	"memlens/memimage/sparse"
)

// shared is a machine with a process that sees a page at leafVA by way of a prototype entry at kernelVA, in one of
// three ways.
type shared struct {
	*machine
	slot Phys // of the prototype entry
}

func newShared(t *testing.T, mode *Mode) *shared {
	m := newMachine(t, mode)
	table := m.alloc()
	m.set(kernelVA(mode), uint64(table)|entryValid)
	s := &shared{machine: m, slot: table + Phys(kernelVA(mode)&0xfff)}
	return s
}

// space is the process's address space with all sources; its entry for leafVA leads to the prototype entry in the given
// way.
func (s *shared) space(via Via, files ...sparse.Source) *Space {
	soft := softOf(s.mode)
	va := kernelVA(s.mode)
	entry := map[Via]uint64{ViaPrototype: protoEntry(s.mode, va), ViaLookup: lookupEntry(s.mode), ViaVAD: 0}[via]
	s.set(leafVA, entry)
	src := Sources{Kernel: s.machine.space(soft), Swap: PageFiles(files)}
	if via != ViaPrototype {
		src.Backing = backingFunc(func(at Virt) (Virt, bool) { return va, at&^0xfff == leafVA })
	}
	return s.machine.space(soft).Follow(src)
}

func protoEntry(m *Mode, va Virt) uint64 {
	switch m {
	case X86:
		return uint64(va>>2&0xff<<1|va>>10&0x1fffff<<11) | softPrototype
	case PAE:
		return uint64(va)<<32 | softPrototype
	}
	return uint64(va)<<16 | softPrototype
}

func lookupEntry(m *Mode) uint64 {
	if m == X86 {
		return 0xfffff000 | softPrototype
	}
	return 0xffffffff<<32 | softPrototype
}

func TestPrototypeEntries(t *testing.T) {
	pageFile := source(make([]byte, 0x3000)) + source("\x99")
	files := []sparse.Source{nil, pageFileOf(t, pageFile)}
	page := func(m *machine) uint64 { return uint64(m.page(0x99)) }
	filed := func(m *Mode, number, page uint64) uint64 {
		if m == X86 {
			return page<<12 | number<<1 | softProtection
		}
		return page<<32 | number<<1 | softProtection
	}
	for name, c := range map[string]struct {
		proto func(*machine) uint64
		state State
		want  byte // of a page that is present
		fault bool
	}{
		"valid":                 {func(m *machine) uint64 { return page(m) | entryValid }, Valid, 0x99, false},
		"valid, bit 7":          {func(m *machine) uint64 { return page(m) | entryValid | entryLarge }, Valid, 0x99, false},
		"transition":            {func(m *machine) uint64 { return page(m) | softTransition | softProtection }, Transition, 0x99, false},
		"page file":             {func(m *machine) uint64 { return filed(m.mode, 1, 3) }, PageFile, 0x99, false},
		"page file not given":   {func(m *machine) uint64 { return filed(m.mode, 0, 3) }, PageFile, 0, true},
		"page file of no such":  {func(m *machine) uint64 { return filed(m.mode, 9, 3) }, PageFile, 0, true},
		"page file too short":   {func(m *machine) uint64 { return filed(m.mode, 1, 4) }, PageFile, 0, true},
		"demand zero":           {func(m *machine) uint64 { return softProtection }, DemandZero, 0, false},
		"subsection":            {func(m *machine) uint64 { return 0x12345000 | softPrototype | softProtection }, FileOnly, 0, true},
		"subsection, all ones":  {func(m *machine) uint64 { return lookupEntry(m.mode) }, FileOnly, 0, true},
		"zero":                  {func(m *machine) uint64 { return 0 }, NotPresent, 0, true},
		"valid beyond memory":   {func(m *machine) uint64 { return machineSize<<4 | entryValid }, Unreadable, 0, true},
		"transition beyond it":  {func(m *machine) uint64 { return machineSize<<4 | softTransition }, Unreadable, 0, true},
		"transition and file 0": {func(m *machine) uint64 { return page(m) | softTransition }, Transition, 0x99, false},
	} {
		for _, mode := range Modes() {
			for _, via := range []Via{ViaPrototype, ViaLookup, ViaVAD} {
				t.Run(fmt.Sprintf("%s/%s/%s", name, mode.Name, via), func(t *testing.T) {
					m := newShared(t, mode)
					entry := c.proto(m.machine)
					m.put(m.slot, entry)
					s := m.space(via, files...)
					if c.fault {
						if f := faultAt(t, s, leafVA+0x10); f.State != c.state || f.Via != via || f.Entry != entry || f.Size != pageSize-0x10 {
							t.Errorf("fault %+v", *f)
						}
						return
					}
					got, err := s.Translate(leafVA)
					if err != nil || got.State != c.state || got.Via != via || got.VA != leafVA || got.Size != pageSize || got.Entry != entry {
						t.Fatalf("page %+v, %v", got, err)
					}
					if b := byteAt(t, s, leafVA); b != c.want {
						t.Errorf("byte %#x, want %#x", b, c.want)
					}
				})
			}
		}
	}
}

// pageFileOf is a page file as package memimage passes it: bytes behind its end are a gap.
func pageFileOf(t testing.TB, b source) sparse.Source {
	r, err := sparse.NewReader(1<<48, sparse.Extent{Len: int64(len(b)), Src: b})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPrototypeEntryNotToBeRead(t *testing.T) {
	for _, mode := range Modes() {
		m := newShared(t, mode)
		m.set(kernelVA(mode), 0)
		if f := faultAt(t, m.space(ViaPrototype), leafVA); f.State != Unreadable || f.Off != int64(kernelVA(mode)) || f.Via != ViaPrototype {
			t.Errorf("%s: fault %+v", mode.Name, *f)
		}
	}
}

// TestPrototypeOverTwoPages has a prototype entry at an odd address over the end of a page, where only damage can put
// it.
func TestPrototypeOverTwoPages(t *testing.T) {
	m := newShared(t, X64)
	va := kernelVA(X64) + 0xffd
	m.set(kernelVA(X64)+0x1000, uint64(m.alloc())|entryValid)
	s := m.machine.space(softX64)
	if _, err := s.PrototypeAt(va, nil); err == nil || err.(*FaultError).State != NotPresent {
		t.Errorf("error %v", err)
	}
	m.set(kernelVA(X64)+0x1000, 0)
	if _, err := m.machine.space(softX64).PrototypeAt(va, nil); err == nil || err.(*FaultError).State != Unreadable {
		t.Errorf("error %v", err)
	}
}

// TestWaysNotGiven leaves out sources.
func TestWaysNotGiven(t *testing.T) {
	none := backingFunc(func(Virt) (Virt, bool) { return 0, false })
	for name, c := range map[string]struct {
		via     Via
		kernel  bool
		backing Backing
		want    State
	}{
		"prototype, nothing":            {ViaPrototype, false, nil, NotFollowed},
		"prototype, no kernel":          {ViaPrototype, false, none, NotFollowed},
		"prototype, VAD does not know":  {ViaPrototype, true, none, FileOnly},
		"lookup, nothing":               {ViaLookup, true, nil, NotFollowed},
		"lookup, no VAD":                {ViaLookup, true, none, NotPresent},
		"zero, nothing":                 {ViaVAD, true, nil, NotFollowed},
		"zero, no VAD":                  {ViaVAD, true, none, NotPresent},
		"zero, VAD without the kernel":  {ViaVAD, false, backingFunc(func(Virt) (Virt, bool) { return 1, true }), NotFollowed},
		"lookup, VAD points to nowhere": {ViaLookup, true, backingFunc(func(Virt) (Virt, bool) { return 1 << 40, true }), Unreadable},
	} {
		t.Run(name, func(t *testing.T) {
			m := newShared(t, X64)
			m.put(m.slot, 0x12345000|softPrototype)
			s := m.space(c.via)
			src := Sources{Backing: c.backing}
			if c.kernel {
				src.Kernel = m.machine.space(softX64)
			}
			if f := faultAt(t, s.Follow(src), leafVA); f.State != c.want || f.Via != c.via {
				t.Errorf("fault %+v", *f)
			}
		})
	}
}

// TestVADKnowsBetter has an entry and a VAD that name different prototype entries: on x86 the entry has few bits for it.
func TestVADKnowsBetter(t *testing.T) {
	m := newShared(t, X86)
	m.put(m.slot, uint64(m.page(1))|entryValid)
	m.put(m.slot+4, uint64(m.page(2))|entryValid)
	s := m.space(ViaPrototype)
	s = s.Follow(Sources{Kernel: s.kernel, Backing: backingFunc(func(Virt) (Virt, bool) { return kernelVA(X86) + 4, true })})
	if b := byteAt(t, s, leafVA); b != 2 {
		t.Errorf("byte %d", b)
	}
}

// boundedFunc is a backing without an entry up to an address.
type boundedFunc struct {
	backingFunc
	end Virt
}

func (f boundedFunc) Unbacked(Virt) Virt { return f.end }
