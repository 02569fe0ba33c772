package profile

import (
	"math"
	"testing"
)

func mustSoftPTE(t *testing.T, name string, size int) SoftPTE {
	t.Helper()
	s, ok := mustName(t, name).SoftPTE(size)
	if !ok {
		t.Fatalf("%s has none", name)
	}
	return s
}

func TestSoftPTEOfEveryProfile(t *testing.T) {
	for p := range Builtin().All() {
		for _, size := range []int{4, 8} {
			s, ok := p.SoftPTE(size)
			if want := size == 8 || p.Arch() == X86; ok != want {
				t.Errorf("%s, %d bytes: %v", p.Name(), size, ok)
			} else if ok && (s.Size != size || s.Prototype != (Bits{10, 1}) || s.Transition != (Bits{11, 1}) || s.PFN.Pos != 12 || s.PageFile.Len != 4) {
				t.Errorf("%s, %d bytes: %+v", p.Name(), size, s)
			}
		}
	}
}

func TestSoftPTEBits(t *testing.T) {
	for _, c := range []struct {
		profile                      string
		size                         int
		file, offset, swizzle, proto Bits
	}{
		{"WinXPSP2x86", 4, Bits{1, 4}, Bits{12, 20}, Bits{}, Bits{}},
		{"WinXPSP2x86", 8, Bits{1, 4}, Bits{32, 32}, Bits{}, Bits{11, 5}},
		{"Win7SP1x86_24000", 4, Bits{1, 4}, Bits{12, 20}, Bits{}, Bits{}},
		{"Win7SP1x64_24000", 8, Bits{1, 4}, Bits{32, 32}, Bits{}, Bits{11, 5}},
		{"Win7SP1x64_7601.24540", 8, Bits{12, 4}, Bits{32, 32}, Bits{4, 1}, Bits{5, 5}},
		{"Win10x64_17134", 8, Bits{1, 4}, Bits{32, 32}, Bits{}, Bits{11, 5}},
		{"Win10x86_19041", 8, Bits{12, 4}, Bits{32, 32}, Bits{4, 1}, Bits{5, 5}},
		{"Win11x64_22000.318", 8, Bits{12, 4}, Bits{32, 32}, Bits{4, 1}, Bits{5, 5}},
	} {
		s := mustSoftPTE(t, c.profile, c.size)
		if s.PageFile != c.file || s.PageFileOffset != c.offset || s.Swizzle != c.swizzle || s.ProtoProtect != c.proto {
			t.Errorf("%s: %+v", c.profile, s)
		}
	}
}

// The entries of the first rows are from images of these systems, where each points to a prototype PTE.
func TestPointer(t *testing.T) {
	kernel := map[string]uint64{"MmSubsectionBase": 0x81000000, "MmNonPagedPoolEnd": 0xffbe0000, "MmPagedPoolStart": 0xe2000000}
	known := func(name string) (uint64, bool) { v, ok := kernel[name]; return v, ok }
	unknown := func(string) (uint64, bool) { return 0, false }
	for _, c := range []struct {
		what       string
		profile    string
		size       int
		subsection bool
		entry      uint64
		variable   func(string) (uint64, bool)
		want       uint64
		ok         bool
	}{
		{"split, from the pool's default start", "WinXPSP2x86", 4, false, 0x4ba, nil, 0xe1000174, true},
		{"split, both parts", "Win2003SP2x86", 4, false, 0x8426, unknown, 0xe100204c, true},
		{"split, from the pool's start", "Win2003SP2x86", 4, false, 0x8426, known, 0xe200204c, true},
		{"split, in the upper half", "Win7SP1x86", 4, false, 0x10428, nil, 0x80008050, true},
		{"PAE", "Win8SP0x86", 8, false, 0xe100205800003400, nil, 0xe1002058, true},
		{"48 bits, of a kernel address", "Win7SP1x64", 8, false, 0xf8a001234568_0400, nil, 0xfffff8a001234568, true},
		{"48 bits, of a user address", "Win7SP1x64", 8, false, 0x000001234568_0400, nil, 0x1234568, true},
		{"subsection up", "WinXPSP2x86", 4, true, 1<<31 | 3<<11 | 5<<1, known, 0x81000000 + 3<<7 + 5<<3, true},
		{"subsection down", "WinXPSP2x86", 4, true, 3<<11 | 5<<1, known, 0xffbe0000 - 3<<7 - 5<<3, true},
		{"subsection from a base not known", "WinXPSP2x86", 4, true, 1<<31 | 3<<11 | 5<<1, nil, 0, false},
		{"subsection split", "Win7SP1x86", 4, true, 0x85182940&^0x7ff | 0x940>>1&0x3fe | 0x400, nil, 0x85182940, true},
		{"subsection PAE", "Win8SP0x86", 8, true, 0x81982310000004c0, nil, 0x81982310, true},
	} {
		s := mustSoftPTE(t, c.profile, c.size)
		p := s.Proto
		if c.subsection {
			p = s.Subsection
		}
		got, ok := p.Address(c.entry, c.variable)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%s: %#x, %v; want %#x", c.what, got, ok, c.want)
		}
	}
}

func TestBitsOf(t *testing.T) {
	if got := (Bits{63, 1}).Of(1 << 63); got != 1 {
		t.Errorf("%#x", got)
	}
	if got := (Bits{0, 64}).Of(math.MaxUint64); got != math.MaxUint64 {
		t.Errorf("%#x", got)
	}
	if got := (Bits{}).Of(math.MaxUint64); got != 0 {
		t.Errorf("no bits: %#x", got)
	}
}
