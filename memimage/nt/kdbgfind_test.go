package nt

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// TestCodesOfBlocks compares the table of codes with the kernel's coding of a block, for all sizes and rotations, and
// tries words that are no block's.
func TestCodesOfBlocks(t *testing.T) {
	const base = 0xfffff80624c00000
	table := newCodeTable(base)
	r := rand.New(rand.NewPCG(1, 2))
	for size := uint64(kdbgCodedLeast); size <= kdbgCodedMost; size += 8 {
		for never := range 64 {
			always, block, pattern := r.Uint64(), r.Uint64(), r.Uint64()&^63|uint64(never)
			encode := func(v uint64) uint64 { // KdEncodeDataBlock, word by word
				v = swapped(v^always) ^ block
				return (v>>(pattern&63) | v<<((64-pattern&63)&63)) ^ pattern
			}
			const lists = 0xfffff80624c12345
			tag, kernel := encode(uint64(size)<<32|0x4742444b), encode(base)
			code, ok := table.code(tag, kernel)
			if direct, _ := codeOf(tag, kernel, base); direct != code {
				t.Fatalf("size %#x, rotation %d: %+v and %+v", size, never, direct, code)
			}
			if !ok || !table.maybe(tag, kernel) || uint64(code.size) != size || code.decode(encode(lists)) != lists {
				t.Fatalf("size %#x, rotation %d: %v, %+v", size, never, ok, code)
			}
		}
	}
	if code, ok := codeOf(1, 2, base); ok {
		t.Errorf("%+v in words of no block", code)
	}
	for range 1 << 20 {
		if code, ok := table.code(r.Uint64(), r.Uint64()); ok {
			t.Fatalf("%+v in random words", code)
		}
	}
	if table.maybe(0, 0) {
		t.Error("zeros may be a block")
	}
}

func swapped(v uint64) uint64 {
	b := binary.LittleEndian.AppendUint64(nil, v)
	return binary.BigEndian.Uint64(b)
}

// section is a section in the tests: its place in memory and its flags (IMAGE_SCN_*).
type section struct{ rva, size, flags uint32 }

// withSections gives the image a whole header that has sections.
func (im *imagePage) withSections(sections ...section) *imagePage {
	const optional, end = testHeader + 0x18, testHeader + 0x18 + 0xf0
	binary.LittleEndian.PutUint16(im.at(testHeader+4), 0x8664)
	binary.LittleEndian.PutUint16(im.at(testHeader+6), uint16(len(sections)))
	binary.LittleEndian.PutUint16(im.at(testHeader+20), end-optional)
	for off, v := range map[int]uint32{32: 0x1000, 36: 0x200, 60: 0x400, 108: 16} {
		im.u32(optional+off, v)
	}
	for i, s := range sections {
		at := end + i*peSectionSize
		copy(im.at(at), "section")
		for off, v := range map[int]uint32{8: s.size, 12: s.rva, 16: s.size, 20: s.rva, 36: s.flags} {
			im.u32(at+off, v)
		}
	}
	return im
}

// TestPartsOfTheKernel: sections that can be written to come first, and each page comes once.
func TestPartsOfTheKernel(t *testing.T) {
	const code, data, constant = 0x60000020, 0xc0000040, 0x40000040
	for _, c := range []struct {
		name     string
		sections []section
		want     []span
	}{
		{"without sections", nil, []span{{0, 0x10000}}},
		{"one between others", []section{{0x1000, 0x800, code}, {0x2000, 0x1800, data}, {0x4000, 0x1000, constant}}, []span{{0x2000, 0x4000}, {0, 0x2000}, {0x4000, 0x10000}}},
		{"two that touch", []section{{0x1000, 0x1000, data}, {0x2000, 0x1800, data}, {0x4000, 0x1000, code}}, []span{{0x1000, 0x4000}, {0, 0x1000}, {0x4000, 0x10000}}},
		{"at both ends", []section{{0x1000, 0x1000, data}, {0x2000, 0x1000, code}, {0xf000, 0x9000, data}}, []span{{0x1000, 0x2000}, {0xf000, 0x10000}, {0, 0x1000}, {0x2000, 0xf000}}},
		{"none to write to", []section{{0x1000, 0x1000, code}, {0x2000, 0x1000, constant}}, []span{{0, 0x10000}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			im := newFlat(t, "Win10x64_19041", 1<<20).image().withSections(c.sections...)
			k, ok := openKernelImage(im.f.k.kernel, im.base)
			if !ok {
				t.Fatal("no kernel")
			}
			k.Size = 0x10000
			if got := slices.Collect(k.parts()); !slices.Equal(got, c.want) {
				t.Errorf("%#x, want %#x", got, c.want)
			}
		})
	}
}

// TestBlockAnywhere: the block is found wherever it is in the image, also outside of sections for data. An encoded
// block is found across the end of a page, also behind a page that cannot be read. Words on both sides of such a page
// are no block.
func TestBlockAnywhere(t *testing.T) {
	for _, at := range []paging.Virt{0x3000, 0x4ff0 - 0x18, 0x5000 - 0x18, 0x6000 - 0x10, 0x9200} {
		im := newFlat(t, "Win10x64_19041", 1<<20).image().withSections(section{0xf000, 0x1000, 0xc0000040})
		k, ok := openKernelImage(im.f.k.kernel, im.base)
		if !ok {
			t.Fatal("no kernel")
		}
		block := make([]byte, 0x360)
		for off, v := range map[int]uint64{0x10: tagWord(0x360), 0x18: uint64(k.Base), 0x48: uint64(k.Base) + 0x2000, 0x50: uint64(k.Base) + 0x2010} {
			binary.LittleEndian.PutUint64(block[off:], v)
		}
		for off := 0; off < len(block); off += 8 {
			v := binary.LittleEndian.Uint64(block[off:])
			binary.LittleEndian.PutUint64(im.at(int(at))[off:], rotatedRight(v, 17)^0x123456789abcdef0)
		}
		if d, ok := findDebuggerData(k, nil); !ok || d.VA != k.Base+at || !d.coded {
			t.Errorf("at %#x: %+v, %v", uint64(at), d, ok)
		}
	}
}

// TestBlockBySymbols: the address in the kernel's symbols is tried first, and believed only if a block is there.
func TestBlockBySymbols(t *testing.T) {
	tried := 0
	for _, name := range []string{"WinXPSP2x86", "Win7SP1x64", "Win10x64_19041.329", "Win11x64_22000.318"} {
		l := newLab(t, system(t, name))
		image, ok := openKernelImage(l.whole.kernel, l.whole.Base)
		if !ok {
			t.Fatal("no kernel")
		}
		known, _ := profile.Builtin().ByIdentity(image.Identity)
		for _, p := range []*profile.Profile{nil, known, named(t, "Win8SP1x64")} {
			if d, ok := findDebuggerData(image, p); !ok || d.VA != l.whole.KDBG {
				t.Errorf("%s: %+v, %v, want %#x", name, d, ok, uint64(l.whole.KDBG))
			}
		}
		if known == nil {
			continue // nothing is known of this very kernel
		}
		tried++
		rva, _ := known.Symbol("KdDebuggerDataBlock")
		if d, ok := (&blockSearch{k: image}).at(image.Base + paging.Virt(rva)); !ok || d.VA != l.whole.KDBG {
			t.Errorf("%s: by its symbols at %#x: %+v, %v", name, rva, d, ok)
		}
		if _, ok := (&blockSearch{k: image}).at(image.Base + paging.Virt(rva) + 8); ok {
			t.Errorf("%s: a block where there is none", name)
		}
	}
	if tried == 0 {
		t.Error("no kernel has symbols")
	}
}

// BenchmarkDebuggerData searches a kernel of 16 MiB without a block: no search takes longer.
func BenchmarkDebuggerData(b *testing.B) {
	const size = 16 << 20
	f := newFlat(b, "Win10x64_19041", size)
	r := rand.New(rand.NewPCG(1, 2))
	for i := 0x10000; i < len(f.mem); i += 8 { // page tables are before that
		binary.LittleEndian.PutUint64(f.mem[i:], r.Uint64())
	}
	k := &kernelImage{mem: f.k.kernel, Base: f.base, Size: size}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		if d, ok := findDebuggerData(k, nil); ok {
			b.Fatalf("%+v", d)
		}
	}
}
