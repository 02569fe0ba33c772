package nt

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// image is a kernel executable written by hand: headers, an export directory and a debug directory.
type imagePage struct {
	f    *flat
	base paging.Virt
}

const (
	testHeader  = 0x80
	testExports = 0x1000
	testNames   = 0x1400
	testDebug   = 0x1800
	testRSDS    = 0x1900
)

// image writes a sound one with three exports.
func (f *flat) image() *imagePage {
	f.next = (f.next + 0xfff) &^ 0xfff
	im := &imagePage{f, f.alloc(0x20000)}
	copy(im.at(0), "MZ")
	im.u32(0x3c, testHeader)
	copy(im.at(testHeader), "PE\x00\x00")
	magic, dirs := uint16(0x10b), testHeader+0x18+0x60
	if f.k.kernel.pointer == 8 {
		magic, dirs = 0x20b, dirs+0x10
	}
	binary.LittleEndian.PutUint16(im.at(testHeader+0x18), magic)
	im.u32(testHeader+0x18+0x38, 0x20000)
	im.u32(dirs, testExports)
	im.u32(dirs+4, 0x800)
	im.u32(dirs+48, testDebug)
	im.u32(dirs+52, 28)
	im.exports("Alpha", "NtBuildNumber", "Zulu")
	im.u32(testDebug+12, 2)
	im.u32(testDebug+20, testRSDS)
	copy(im.at(testRSDS), "RSDS\x04\x03\x02\x01\x06\x05\x08\x07\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x02\x00\x00\x00ntkrnlmp.pdb\x00")
	return im
}

func (im *imagePage) at(rva int) []byte { return im.f.at(im.base, profile.Offset(rva)) }

func (im *imagePage) u32(rva int, v uint32) { binary.LittleEndian.PutUint32(im.at(rva), v) }

func (im *imagePage) exports(names ...string) {
	copy(im.at(testNames), "ntoskrnl.exe\x00")
	im.u32(testExports+12, testNames)
	im.u32(testExports+24, uint32(len(names)))
	im.u32(testExports+28, testExports+0x100)
	im.u32(testExports+32, testExports+0x200)
	im.u32(testExports+36, testExports+0x300)
	text := testNames + 0x20
	for i, name := range names {
		im.u32(testExports+0x100+4*i, uint32(0x2000+0x10*i))
		im.u32(testExports+0x200+4*i, uint32(text))
		binary.LittleEndian.PutUint16(im.at(testExports+0x300+2*i), uint16(i))
		text += copy(im.at(text), name+"\x00")
	}
}

func TestKernelImage(t *testing.T) {
	for _, name := range kinds {
		for _, c := range []struct {
			what   string
			damage func(im *imagePage)
			kernel bool
			pdb    string
			export bool
		}{
			{"whole", func(im *imagePage) {}, true, "ntkrnlmp.pdb", true},
			{"no magic", func(im *imagePage) { copy(im.at(0), "ZM") }, false, "", false},
			{"header at the end of the page", func(im *imagePage) { im.u32(0x3c, 0xffc) }, false, "", false},
			{"header far away", func(im *imagePage) { im.u32(0x3c, 0xffffff80) }, false, "", false},
			{"no signature", func(im *imagePage) { im.u32(testHeader, 0) }, false, "", false},
			{"too small", func(im *imagePage) { im.u32(testHeader+0x50, 0xffff) }, false, "", false},
			{"too large", func(im *imagePage) { im.u32(testHeader+0x50, 0xffffffff) }, false, "", false},
			{"a driver", func(im *imagePage) {
				copy(im.at(testNames), "win32k.sys\x00")
				copy(im.at(testRSDS+24), "win32k.pdb\x00")
			}, false, "", false},
			{"only the PDB has the name", func(im *imagePage) { im.u32(testExports+12, 0) }, true, "ntkrnlmp.pdb", true},
			{"only the exports have the name", func(im *imagePage) { im.u32(testRSDS, 0) }, true, "", true},
			{"name is not printable", func(im *imagePage) { im.at(testNames)[3] = 7; im.u32(testRSDS, 0) }, false, "", false},
			{"debug record far away", func(im *imagePage) { im.u32(testDebug+20, 0xfffffff0) }, true, "", true},
			{"debug directory of other entries", func(im *imagePage) { im.u32(testDebug+12, 9) }, true, "", true},
			{"names far away", func(im *imagePage) { im.u32(testExports+32, 0xfffffff0) }, true, "ntkrnlmp.pdb", false},
			{"ordinals far away", func(im *imagePage) { im.u32(testExports+36, 0xfffffff0) }, true, "ntkrnlmp.pdb", false},
			{"functions far away", func(im *imagePage) { im.u32(testExports+28, 0x1fffe) }, true, "ntkrnlmp.pdb", false},
			{"address outside the image", func(im *imagePage) { im.u32(testExports+0x104, 0x20000) }, true, "ntkrnlmp.pdb", false},
			{"address of zero", func(im *imagePage) { im.u32(testExports+0x104, 0) }, true, "ntkrnlmp.pdb", false},
			{"fewer names", func(im *imagePage) { im.u32(testExports+24, 1) }, true, "ntkrnlmp.pdb", false},
			{"many names", func(im *imagePage) {
				im.u32(testExports+24, 0xffffffff)
				copy(im.at(testNames+0x20), bytes.Repeat([]byte{'A'}, 64))
			}, true, "ntkrnlmp.pdb", false},
		} {
			t.Run(name+"/"+c.what, func(t *testing.T) {
				f := newFlat(t, name, 1<<20)
				im := f.image()
				c.damage(im)
				k, ok := openKernelImage(f.k.kernel, im.base)
				if ok != c.kernel {
					t.Fatalf("kernel %v: %+v", ok, k)
				}
				if !ok {
					return
				}
				if k.Identity.PDB != c.pdb || c.pdb != "" && (k.Identity.GUID != "0102030405060708090A0B0C0D0E0F10" || k.Identity.Age != 2) {
					t.Errorf("identity %+v", k.Identity)
				}
				if va, ok := k.Export("NtBuildNumber"); ok != c.export || ok && va != im.base+0x2010 {
					t.Errorf("export at %#x, %v", uint64(va), ok)
				}
				for _, other := range []string{"Nt", "NtBuildNumberX", "Beta"} {
					if va, ok := k.Export(other); ok {
						t.Errorf("%q is exported at %#x", other, uint64(va))
					}
				}
			})
		}
	}
}

func TestTagsInTheImage(t *testing.T) {
	f := newFlat(t, "WinXPSP2x86", 1<<20)
	im := f.image()
	for _, rva := range []int{0x3000, 0x3008, 0x3011, 0x3ffe, 0x5ffc} {
		copy(im.at(rva), "KDBG")
	}
	k, ok := openKernelImage(f.k.kernel, im.base)
	if !ok {
		t.Fatal("no kernel")
	}
	var got []int
	for _, va := range k.Find([]byte("KDBG"), 4, 3) {
		got = append(got, int(va-im.base))
	}
	if len(got) != 3 || got[0] != 0x3000 || got[1] != 0x3008 || got[2] != 0x5ffc {
		t.Errorf("tags at %#x", got)
	}
	if got := k.Find([]byte("KDBG"), 4, 1); len(got) != 1 {
		t.Errorf("%d tags, want one", len(got))
	}
}

func TestDebuggerData(t *testing.T) {
	for _, c := range []struct {
		what string
		size uint32
		tag  string
		want bool
	}{
		{"sound", 0x290, "KDBG", true}, {"large", 0x1000, "KDBG", true}, {"too small", 0x28f, "KDBG", false},
		{"too large", 0x1001, "KDBG", false}, {"no tag", 0x290, "KDBH", false},
	} {
		f := newFlat(t, "WinXPSP2x86", 1<<20)
		va := f.alloc(0x400)
		copy(f.at(va, kdbgTag), c.tag)
		f.u32(va, kdbgSize, c.size)
		lab := f.alloc(0x40)
		copy(f.at(lab, 0), "7601.24545.amd64fre.win7sp1_ldr\x00")
		binary.LittleEndian.PutUint64(f.at(va, kdbgNtBuildLab), uint64(lab)|0xffffffff<<32) // extended by the sign
		d, ok := readDebuggerData(f.k.kernel, va)
		if ok != c.want {
			t.Errorf("%s: %v", c.what, ok)
			continue
		}
		if !ok {
			continue
		}
		if build, revision, ok := labVersion(d.lab(f.k.kernel)); !ok || build != 7601 || revision != 24545 {
			t.Errorf("%s: version %d.%d, %v", c.what, build, revision, ok)
		}
		f.at(lab, 0)[4] = 0xff
		if got := d.lab(f.k.kernel); got != "" {
			t.Errorf("%s: lab %q", c.what, got)
		}
	}
	end := newFlat(t, "WinXPSP2x86", 1<<20)
	if _, ok := readDebuggerData(end.k.kernel, end.base+1<<20-0x20); ok {
		t.Error("a block over the end of memory is believed")
	}
}

func TestLabVersions(t *testing.T) {
	for lab, want := range map[string][2]uint32{
		"2600.xpsp_sp2_rtm.040803-2158": {2600, 0}, "7601.17514.amd64fre.win7sp1_rtm.101119-1850": {7601, 17514},
		"": {}, "xpsp": {}, "99999999999.1": {}, "-5.1": {},
	} {
		build, revision, ok := labVersion(lab)
		if ok != (want[0] != 0) || build != want[0] || revision != want[1] {
			t.Errorf("%q: %d.%d, %v", lab, build, revision, ok)
		}
	}
}

// FuzzKernelImage takes any bytes for an executable in the system's memory.
func FuzzKernelImage(f *testing.F) {
	for i, name := range kinds {
		fl := newFlat(f, name, 1<<20)
		im := fl.image()
		f.Add(uint8(i), bytes.Clone(im.at(0)[:0x1940]))
	}
	f.Fuzz(func(t *testing.T, kind uint8, mem []byte) {
		fl := newFlat(t, kinds[int(kind)%len(kinds)], 1<<16)
		copy(fl.mem[0x4000:], mem)
		copy(fl.mem[0x4000:], "MZ")
		k, ok := openKernelImage(fl.k.kernel, fl.base+0x4000)
		if !ok {
			return
		}
		if strings.ContainsFunc(k.Name+k.Identity.PDB, func(c rune) bool { return c < ' ' || c > '~' }) || len(k.Name) > 64 {
			t.Fatalf("name %q, PDB %q", k.Name, k.Identity.PDB)
		}
		if va, ok := k.Export("NtBuildNumber"); ok && (va < k.Base || va >= k.Base+paging.Virt(k.Size)) {
			t.Fatalf("export at %#x", uint64(va))
		}
		if d, ok := findDebuggerData(k, nil); ok {
			d.lab(k.mem)
			d.servicePack(k.mem)
			d.variable(k.mem, "MmPagedPoolStart")
			if name, ok := moduleName(k.Base, d, k.mem); ok && (len(name) > 64 || !strings.HasSuffix(strings.ToLower(name), ".exe")) {
				t.Fatalf("named %q", name)
			}
		}
	})
}
