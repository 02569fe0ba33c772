package paging

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// edges are the addresses at which a mode's address space begins, ends or has its hole.
func edges(m *Mode) []Virt {
	if !m.Signed {
		return []Virt{0, 0x7fffffff, 0x80000000, 0xffffffff}
	}
	half := Virt(1) << (m.VirtBits - 1)
	return []Virt{0, half - 1, -half, math.MaxUint64}
}

func TestEveryEdgeOfTheAddressSpaceTranslates(t *testing.T) {
	for _, mode := range Modes() {
		for i, va := range edges(mode) {
			t.Run(fmt.Sprintf("%s/%#x", mode.Name, uint64(va)), func(t *testing.T) {
				m := newMachine(t, mode)
				pa := m.page(byte(0x50 + i))
				m.set(va, uint64(pa)|entryValid)
				s := m.space(nil)
				page, err := s.Translate(va)
				if err != nil {
					t.Fatal(err)
				}
				if got, ok := page.Physical(); !ok || got != pa || page.VA != va&^0xfff || page.Size != pageSize || page.State != Valid || page.Via != ViaTable {
					t.Errorf("page %+v at %#x, want that at %#x", page, got, pa)
				}
				if b := byteAt(t, s, va); b != byte(0x50+i) {
					t.Errorf("byte %#x", b)
				}
			})
		}
	}
}

func TestCanonical(t *testing.T) {
	for _, c := range []struct {
		mode *Mode
		va   Virt
		want bool
		low  Virt // address of the bits that count
		hole int64
	}{
		{X86, 0xffffffff, true, 0xffffffff, 0},
		{X86, 0x100000000, false, 0, 1 << 62},
		{PAE, 0xffffffff80000000, false, 0x80000000, 1 << 62},
		{X64, 0x00007fffffffffff, true, 0x00007fffffffffff, 0},
		{X64, 0x0000800000000000, false, 0xffff800000000000, 1 << 62},
		{X64, 0xffff7ffffffff000, false, 0x00007ffffffff000, 0x1000},
		{X64, 0xffff800000000000, true, 0xffff800000000000, 0},
		{X64LA57, 0x0000800000000000, true, 0x0000800000000000, 0},
		{X64LA57, 0x0100000000000000, false, 0xff00000000000000, 1 << 62},
		{X64LA57, 0xfeffffffffffffff, false, 0x00ffffffffffffff, 1},
		{X64LA57, 0xff00000000000000, true, 0xff00000000000000, 0},
		{ARM64, 0x0000800000000000, false, 0xffff800000000000, 1 << 62},
		{ARM64, 0xfffff78000000000, true, 0xfffff78000000000, 0},
	} {
		t.Run(fmt.Sprintf("%s/%#x", c.mode.Name, uint64(c.va)), func(t *testing.T) {
			if got := c.mode.Canonical(c.va); got != c.want {
				t.Errorf("canonical: %v", got)
			}
			if got := c.mode.Canonicalize(c.va); got != c.low {
				t.Errorf("canonicalized to %#x, want %#x", got, c.low)
			}
			if c.want {
				return
			}
			if f := faultAt(t, newMachine(t, c.mode).space(nil), c.va); f.State != NotCanonical || f.Size != c.hole {
				t.Errorf("%v, %#x bytes, want %#x", f, f.Size, c.hole)
			}
		})
	}
}

// TestLargePages maps a large page at every level that may have one, and looks at its first, a middle and its last byte.
func TestLargePages(t *testing.T) {
	n := 0
	for _, mode := range Modes() {
		for level, l := range mode.Levels {
			if !l.Large {
				continue
			}
			n++
			size := int64(1) << l.Shift
			t.Run(fmt.Sprintf("%s/%d KiB", mode.Name, size>>10), func(t *testing.T) {
				m := newMachine(t, mode)
				va := edges(mode)[2] + 3*Virt(size) // in the kernel's half
				const pat = 1 << 12                 // PAT: the lowest bit of a large page's address is another flag
				m.put(m.slot(va, level), mode.large(entryValid|pat|1<<8|1<<5))
				s := m.space(softOf(mode))
				for _, inside := range []int64{0, 0x5432, size - 1} {
					page, err := s.Translate(va + Virt(inside))
					if inside >= machineSize { // the frame lies behind the end of memory
						if f := faultAt(t, s, va+Virt(inside)); f.State != Unreadable || f.Off != inside || f.Size != size-inside {
							t.Errorf("fault %+v", f)
						}
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					if page.VA != va || page.Size != size || page.Off != 0 {
						t.Errorf("page %+v, want %#x bytes at %#x", page, size, va)
					}
				}
				m.mem[0x5432] = 0x77
				if b := byteAt(t, m.space(nil), va+0x5432); b != 0x77 {
					t.Errorf("byte %#x", b)
				}
			})
		}
	}
	if n != 8 {
		t.Errorf("%d large page sizes, want 4 MiB, 2 MiB and three times 2 MiB and 1 GiB", n)
	}
}

// TestLargeBitElsewhere sets bit 7 where it does not mean a large page: in an entry that is not valid, at a level that
// has none, and in a last entry, where it is PAT.
func TestLargeBitElsewhere(t *testing.T) {
	for _, mode := range Modes() {
		for level, l := range mode.Levels {
			t.Run(fmt.Sprintf("%s/level %d", mode.Name, level), func(t *testing.T) {
				m := newMachine(t, mode)
				va := edges(mode)[2]
				m.set(va, uint64(m.page(0x33))|entryValid)
				slot := m.slot(va, level)
				if l.Large {
					m.put(slot, m.entry(slot)&^entryValid|softTransition|entryLarge)
				} else {
					m.put(slot, m.entry(slot)|entryLarge)
				}
				s := m.space(softOf(mode))
				page, err := s.Translate(va)
				if err != nil || page.Size != pageSize || byteAt(t, s, va) != 0x33 {
					t.Errorf("page %+v, %v", page, err)
				}
			})
		}
	}
}

// TestFlagsAreNoAddress sets all bits of valid entries that are flags or ignored.
func TestFlagsAreNoAddress(t *testing.T) {
	const flags = 0xfff0000000000f7f // no-execute, protection keys, software bits
	for _, mode := range []*Mode{PAE, X64, X64LA57} {
		m := newMachine(t, mode)
		va := edges(mode)[3]
		m.set(va, uint64(m.page(0x44))|entryValid|flags)
		for level := range mode.Levels[:m.last()] {
			slot := m.slot(va, level)
			m.put(slot, m.entry(slot)|flags)
		}
		if b := byteAt(t, m.space(nil), va); b != 0x44 {
			t.Errorf("%s: byte %#x", mode.Name, b)
		}
	}
}

// TestRoot gives directory table bases with bits that are no address: process-context identifiers, and PAE's table
// inside a page. On ARM64 the second root is the page's second half.
func TestRoot(t *testing.T) {
	for _, c := range []struct {
		mode       *Mode
		root, more Phys
	}{
		{X86, 0x10000, 0x18}, {X64, 0x10000, 0x8000000000000fff}, {X64LA57, 0x10000, 1 << 63}, {ARM64, 0x10000, 0x1234000000000801}, {PAE, 0x10e60, 0x18},
	} {
		m := newMachine(t, c.mode)
		m.root = c.root
		m.set(0x1000, uint64(m.page(0x45))|entryValid)
		s := NewSpace(c.mode, m.reader(), c.root|c.more, nil)
		if s.Root() != c.root || s.Mode() != c.mode || byteAt(t, s, 0x1000) != 0x45 {
			t.Errorf("%s: root %#x", c.mode.Name, s.Root())
		}
	}
}

func TestUserSpace(t *testing.T) {
	for mode, want := range map[*Mode]int64{X86: 3 << 30, PAE: 3 << 30, X64: 1 << 47, X64LA57: 1 << 56, ARM64: 1 << 47} {
		if got := mode.UserSpace(); got != want {
			t.Errorf("%s: %#x, want %#x", mode.Name, got, want)
		}
	}
}

// TestSystem checks in each mode the first and last addresses of the system's part, and the addresses before and
// behind.
func TestSystem(t *testing.T) {
	for _, mode := range Modes() {
		edges := edges(mode)
		for i, va := range []Virt{edges[2] - 1, edges[2], edges[3], edges[3] + 1, edges[0]} {
			if got, want := mode.IsSystem(va), i == 1 || i == 2; got != want {
				t.Errorf("%s: %#x is the system's: %v", mode.Name, uint64(va), got)
			}
		}
		if in := mode.SystemPart(); in.From != edges[2] || in.To <= edges[3]-pageSize || in.To < in.From {
			t.Errorf("%s: the system's part is %#x", mode.Name, in)
		}
		if !slices.Contains(mode.Arch.Modes(), mode) || mode.Arch.Kernel.From < edges[2] || mode.Arch.Kernel.To > edges[3] || !mode.IsSystem(mode.Arch.Shared) {
			t.Errorf("%s: architecture %+v", mode.Name, mode.Arch)
		}
	}
}

// TestDescriptorsOfARM64: an entry of the root or of the last level that is no table or page is not valid.
func TestDescriptorsOfARM64(t *testing.T) {
	for _, level := range []int{0, ARM64.last()} {
		m := newMachine(t, ARM64)
		m.set(leafVA, uint64(m.page(0x41))|entryValid)
		slot := m.slot(leafVA, level)
		m.put(slot, m.entry(slot)&^2)
		if f := faultAt(t, m.space(nil), leafVA); f.State != NotPresent {
			t.Errorf("level %d: %+v", level, f)
		}
		if pages, _ := walked(m.space(nil), nil); len(pages) != 0 {
			t.Errorf("level %d: walked %x", level, pages)
		}
	}
}
