package paging

import (
	"fmt"
	"strings"
	"testing"

	"memlens/memimage/sparse"
)

const leafVA = 0x401000

// leaf is a machine with a given entry for leafVA.
func leaf(t *testing.T, mode *Mode, entry uint64) *machine {
	m := newMachine(t, mode)
	m.set(leafVA, entry)
	return m
}

func TestSoftwareEntries(t *testing.T) {
	for name, c := range map[string]struct {
		mode  *Mode
		soft  *Soft
		entry uint64
		want  FaultError
	}{
		"x86 page file":            {X86, softX86, 0x54321006 | softProtection, FaultError{State: PageFile, File: 3, Off: 0x54321000}},
		"PAE page file":            {PAE, softPAE, 0xabc<<32 | 5<<1 | softProtection, FaultError{State: PageFile, File: 5, Off: 0xabc000}},
		"x64 page file":            {X64, softX64, 0xffffabcd<<32 | 15<<1 | softProtection, FaultError{State: PageFile, File: 15, Off: 0xffffabcd000}},
		"Windows 10 page file":     {X64, softWin10, 0xabc<<32 | 2<<12 | 1<<4 | softProtection, FaultError{State: PageFile, File: 2, Off: 0xabc000}},
		"inverted page file":       {X64, inverted(), (0xabc<<32 | 2<<12 | softProtection) ^ 0x2000<<32, FaultError{State: PageFile, File: 2, Off: 0xabc000}},
		"not hidden page file":     {X64, inverted(), 0xabc<<32 | 2<<12 | softProtection, FaultError{State: PageFile, File: 2, Off: 0xabc000}},
		"compressed":               {X64, softWin10, 0xabc<<32 | 2<<12 | 1<<4 | 1<<3 | softProtection, FaultError{State: Compressed, File: 2, Off: 0xabc000}},
		"absent":                   {X64, softX64, 0, FaultError{State: NotFollowed, Via: ViaVAD}},
		"prototype":                {X64, softX64, 0xf8a0<<48 | softPrototype, FaultError{State: NotFollowed, Via: ViaPrototype}},
		"lookup":                   {X64, softX64, 0xffffffff<<32 | softPrototype, FaultError{State: NotFollowed, Via: ViaLookup}},
		"lookup, x86":              {X86, softX86, 0xfffff000 | softPrototype, FaultError{State: NotFollowed, Via: ViaLookup}},
		"mask unknown, clear":      {X64, unknown(true, false), 0x2abc<<32 | 1<<12, FaultError{State: PageFile, File: 1, Off: -1}},
		"mask unknown, swizzled":   {X64, unknown(true, false), 0x2abc<<32 | 1<<12 | 1<<4, FaultError{State: PageFile, File: 1, Off: 0x2abc000}},
		"offsets unknown":          {X64, unknown(false, true), 0xabc<<32 | 1<<12 | 1<<4, FaultError{State: PageFile, File: -1, Off: -1}},
		"no format, page file":     {X64, nil, 0xabc << 32, FaultError{State: NotPresent}},
		"no format, transition":    {X64, nil, 0x20000 | softTransition, FaultError{State: NotPresent}},
		"no format, absent":        {X64, nil, 0, FaultError{State: NotPresent}},
		"transition to nowhere":    {X64, softX64, 0x7000000 | softTransition | machineSize<<4, FaultError{State: Unreadable, Off: 0x7000000 | machineSize<<4}},
		"transition far away, x86": {X86, softX86, 0xfffff000 | softTransition, FaultError{State: Unreadable, Off: 0xfffff000}},
	} {
		t.Run(name, func(t *testing.T) {
			f := faultAt(t, leaf(t, c.mode, c.entry).space(c.soft), leafVA)
			c.want.VA, c.want.Size, c.want.Entry = leafVA, pageSize, c.entry
			if *f != c.want {
				t.Errorf("fault %+v, want %+v", *f, c.want)
			}
		})
	}
}

// unknown is the format of a kernel with entries that are not fully known.
func unknown(mask, offsets bool) *Soft {
	s := *softWin10
	s.MaskUnknown, s.OffsetsUnknown = mask, offsets
	return &s
}

// inverted is the format of a kernel that inverts entries against L1TF.
func inverted() *Soft {
	s := *softWin10
	s.InvalidMask = 0x2000 << 32
	return &s
}

func TestReadableSoftwareEntries(t *testing.T) {
	for name, c := range map[string]struct {
		mode  *Mode
		soft  *Soft
		flags uint64 // of the entry beside its frame
		zero  bool
		state State
	}{
		"transition, x86":               {X86, softX86, softTransition | softProtection, false, Transition},
		"transition, PAE":               {PAE, softPAE, softTransition | softProtection, false, Transition},
		"transition, x64":               {X64, softX64, softTransition | softProtection, false, Transition},
		"transition, flags in high PFN": {X64, softWin10, 0x3000<<32 | softTransition, false, Transition},
		"transition, inverted":          {X64, inverted(), 0x2000<<32 | softTransition, false, Transition},
		"transition, bit 7":             {X86, softX86, softTransition | entryLarge, false, Transition},
		"demand zero, x86":              {X86, softX86, softProtection, true, DemandZero},
		"demand zero, x64":              {X64, softX64, softProtection, true, DemandZero},
		"demand zero, swizzled":         {X64, softWin10, softProtection | 1<<4, true, DemandZero},
		"demand zero, inverted":         {X64, inverted(), softProtection | 0x2000<<32, true, DemandZero},
		"demand zero, not hidden":       {X64, inverted(), softProtection, true, DemandZero},
		"demand zero, file number":      {X64, softX64, softProtection | 3<<1, true, DemandZero},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, c.mode)
			frame, want := m.page(0x66), byte(0x66)
			if c.zero {
				frame, want = 0, 0
			}
			m.set(leafVA, uint64(frame)|c.flags)
			s := m.space(c.soft)
			page, err := s.Translate(leafVA + 5)
			if err != nil || page.State != c.state || page.VA != leafVA || page.Size != pageSize {
				t.Fatalf("page %+v, %v", page, err)
			}
			if pa, ok := page.Physical(); ok != !c.zero || ok && pa != frame {
				t.Errorf("physical address %#x, %v", pa, ok)
			}
			if b := byteAt(t, s, leafVA+5); b != want {
				t.Errorf("byte %#x, want %#x", b, want)
			}
		})
	}
}

// TestTablesInTransition clears the valid bit of each table on the way in turn, and of all tables.
func TestTablesInTransition(t *testing.T) {
	for _, mode := range Modes() {
		for _, all := range []bool{false, true} {
			for level := range mode.Levels[:len(mode.Levels)-1] {
				t.Run(fmt.Sprintf("%s/level %d/all %v", mode.Name, level, all), func(t *testing.T) {
					m := newMachine(t, mode)
					m.set(leafVA, uint64(m.page(0x21))|entryValid)
					for i := level; i >= 0 && (all || i == level); i-- {
						slot := m.slot(leafVA, i)
						defer m.put(slot, m.entry(slot))
						m.put(slot, m.entry(slot)&^entryValid|softTransition|softProtection|entryLarge)
						if i > 0 && all {
							continue
						}
						if b := byteAt(t, m.space(softOf(mode)), leafVA); b != 0x21 {
							t.Errorf("byte %#x", b)
						}
						if f := faultAt(t, m.space(nil), leafVA); f.State != NotPresent {
							t.Errorf("without software entries: %v", f)
						}
					}
				})
			}
		}
	}
}

// TestTableElsewhere has a page table in a page file, of zeros, behind a prototype entry, and nowhere.
func TestTableElsewhere(t *testing.T) {
	const span = 2 << 20
	file := newMachine(t, X64) // the page file: a table at 0x3000 with a valid entry for leafVA
	m := newMachine(t, X64)
	file.put(0x3000+8, uint64(m.page(0x29))|entryValid)
	files, err := sparse.NewReader(1<<48, sparse.Extent{Len: machineSize, Src: sourceOf(file.mem)})
	if err != nil {
		t.Fatal(err)
	}
	backing := backingFunc(func(va Virt) (Virt, bool) { return 0, false })
	for name, c := range map[string]struct {
		entry uint64
		with  Sources
		want  FaultError // zero: readable
	}{
		"page file not given":   {3<<32 | softProtection, Sources{}, FaultError{Size: span, State: PageFile, Off: 0x3000}},
		"page file given":       {3<<32 | softProtection, Sources{Swap: PageFiles{files}}, FaultError{}},
		"page file ends before": {9999<<32 | softProtection, Sources{Swap: PageFiles{files}}, FaultError{Size: pageSize, State: PageFile, Off: 9999 << 12}},
		"other page file":       {3<<32 | 1<<1 | softProtection, Sources{Swap: PageFiles{files, nil}}, FaultError{Size: span, State: PageFile, File: 1, Off: 0x3000}},
		"demand zero":           {softProtection, Sources{}, FaultError{Size: pageSize, State: NotFollowed, Via: ViaVAD}},
		"demand zero, no VAD":   {softProtection, Sources{Backing: backing}, FaultError{Size: pageSize, State: NotPresent, Via: ViaVAD}},
		"prototype":             {0xf8a0<<48 | softPrototype, Sources{}, FaultError{Size: span, State: NotPresent}},
		"zero":                  {0, Sources{}, FaultError{Size: span, State: NotFollowed, Via: ViaVAD}},
		"zero, no VAD":          {0, Sources{Backing: backing}, FaultError{Size: pageSize, State: NotPresent, Via: ViaVAD}},
		"zero, no VAD far":      {0, Sources{Backing: boundedFunc{backing, leafVA + 1<<40}}, FaultError{Size: span, State: NotPresent, Via: ViaVAD}},
		"zero, no VAD near":     {0, Sources{Backing: boundedFunc{backing, leafVA + 3*pageSize}}, FaultError{Size: 3 * pageSize, State: NotPresent, Via: ViaVAD}},
		"zero, no VAD here":     {0, Sources{Backing: boundedFunc{backing, leafVA}}, FaultError{Size: pageSize, State: NotPresent, Via: ViaVAD}},
		"valid, far away":       {0x7fffff000 | entryValid, Sources{}, FaultError{Size: pageSize, State: Unreadable, Off: 0x7fffff000}},
	} {
		t.Run(name, func(t *testing.T) {
			m.put(m.slot(leafVA, 2), c.entry)
			s := m.space(softX64).Follow(c.with)
			if c.want == (FaultError{}) {
				if b := byteAt(t, s, leafVA); b != 0x29 {
					t.Errorf("byte %#x", b)
				}
				return
			}
			f := *faultAt(t, s, leafVA)
			if c.want.Size == span {
				c.want.Size -= leafVA & (span - 1)
			}
			f.VA, f.Entry = 0, 0
			if f != c.want {
				t.Errorf("fault %+v, want %+v", f, c.want)
			}
		})
	}
}

type backingFunc func(Virt) (Virt, bool)

func (f backingFunc) PrototypePTE(va Virt) (Virt, bool, error) {
	proto, ok := f(va)
	return proto, ok, nil
}

func TestReasons(t *testing.T) {
	for state := range State(stateCount) {
		f := &FaultError{VA: 0x1234, State: state, File: 3, Off: 0x5000}
		if r := f.Reason(); r == "" || f.Error() != "address 0x1234: "+r {
			t.Errorf("state %v: reason %q, error %q", state, r, f.Error())
		}
	}
	f := &FaultError{State: PageFile, File: 3, Off: 0x5000}
	if !strings.Contains(f.Reason(), "page file 3 at 0x5000") {
		t.Errorf("reason %q", f.Reason())
	}
}
