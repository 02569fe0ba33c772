package synth

import (
	"encoding/hex"
	"math/bits"
	"strings"
	"testing"

	"memlens/memimage/profile"
)

// decodeKDBG reads the debugger block as an analyst does who knows the three
// keys: rotate, swap, XOR.
func (w walker) decodeKDBG(k KernelTruth, n int) []byte {
	never, always := w.read(k.Vars["KiWaitNever"], 8), w.read(k.Vars["KiWaitAlways"], 8)
	key := k.Vars["KdpDataBlockEncoded"] | 0xffff<<48
	out := make([]byte, n)
	for at := 0; at < n; at += 8 {
		v := w.read(k.KDBG+uint64(at), 8)
		v = bits.RotateLeft64(v^never, int(never&0xff))
		putN(out, at, bits.ReverseBytes64(v^key)^always, 8)
	}
	return out
}

func TestKDBG(t *testing.T) {
	for p := range profile.Builtin().All() {
		t.Run(p.Name(), func(t *testing.T) {
			s := System{Profile: p}
			m := build(t, s)
			w, k := newWalker(t, s, m), m.Truth.Kernel
			block := w.bytes(k.KDBG, 0x290)
			if encoded := p.Arch() == profile.X64 && p.Version().Build >= 9200; encoded {
				if string(block[0x10:0x14]) == "KDBG" {
					t.Error("the block is in the clear")
				}
				block = w.decodeKDBG(k, 0x290)
			}
			checkKDBG(t, k, block)
			if n := p.KDBGSize(); n != 0 && uint64(n) != getN(block, 0x14, 4) {
				t.Errorf("size %#x, want %#x", getN(block, 0x14, 4), n)
			}
		})
	}
}

func checkKDBG(t *testing.T, k KernelTruth, block []byte) {
	t.Helper()
	if string(block[0x10:0x14]) != "KDBG" {
		t.Fatalf("tag % x", block[0x10:0x14])
	}
	for off, want := range map[int]uint64{0x18: k.Base, 72: k.PsLoadedModuleList, 80: k.PsActiveProcessHead} {
		if got := getN(block, off, 8); got != want {
			t.Errorf("at %#x: %#x, want %#x", off, got, want)
		}
	}
}

func TestKDBGForms(t *testing.T) {
	p := named(t, "Win10x64_19041")
	for form, tag := range map[KDBGForm]string{KDBGPlain: "KDBG", KDBGWiped: "\x00\x00\x00\x00"} {
		s := System{Profile: p, KDBG: form}
		m := build(t, s)
		if got := newWalker(t, s, m).bytes(m.Truth.Kernel.KDBG+0x10, 4); string(got) != tag {
			t.Errorf("form %d: tag %q, want %q", form, got, tag)
		}
	}
}

// TestKernelImage finds the debug record and the exports through the headers
// of the kernel in memory.
func TestKernelImage(t *testing.T) {
	for p := range profile.Builtin().All() {
		t.Run(p.Name(), func(t *testing.T) {
			s := System{Profile: p}
			m := build(t, s)
			w, k := newWalker(t, s, m), m.Truth.Kernel
			dirs := k.Base + w.read(k.Base+0x3c, 4) + 24 + 96
			if w.ptr() == 8 {
				dirs += 16
			}
			record := w.read(k.Base+w.read(dirs+8*6, 4)+20, 4)
			want := append([]byte("RSDS"), mustGUID(t, k.PDB.GUID)...)
			if got := w.bytes(k.Base+record, 20); string(got) != string(want) {
				t.Errorf("debug record % x, want % x", got, want)
			}
			if got := w.export(k.Base, w.read(dirs, 4), "PsInitialSystemProcess"); got != k.PsInitialSystemProcess {
				t.Errorf("PsInitialSystemProcess is exported at %#x, want %#x", got, k.PsInitialSystemProcess)
			}
			checkSymbols(t, p, k)
		})
	}
}

// mustGUID is a GUID as it lies in memory.
func mustGUID(t *testing.T, s string) []byte {
	t.Helper()
	g, err := hex.DecodeString(s)
	if err != nil || len(g) != 16 {
		t.Fatalf("GUID %q", s)
	}
	return []byte{g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]}
}

// export is the address of an exported name.
func (w walker) export(base, dir uint64, name string) uint64 {
	u32 := func(rva uint64) uint64 { return w.read(base+rva, 4) }
	functions, names, ordinals := u32(dir+28), u32(dir+32), u32(dir+36)
	for i := range u32(dir + 24) {
		at := base + u32(names+4*i)
		if string(w.bytes(at, len(name)+1)) == name+"\x00" {
			return base + u32(functions+4*w.read(base+ordinals+2*i, 2))
		}
	}
	return 0
}

// checkSymbols checks that the variables are at the addresses of the profile's symbols.
func checkSymbols(t *testing.T, p *profile.Profile, k KernelTruth) {
	t.Helper()
	for _, kernel := range p.Kernels() {
		if kernel.GUID != k.PDB.GUID {
			continue
		}
		if rva, ok := kernel.Symbol("PsActiveProcessHead"); ok && k.Base+rva != k.PsActiveProcessHead {
			t.Errorf("PsActiveProcessHead at %#x, want %#x", k.PsActiveProcessHead, k.Base+rva)
		}
	}
}

func TestIdentity(t *testing.T) {
	id := RSDS{PDB: "ntkrnlmp.pdb", GUID: strings.Repeat("A1", 16), Age: 7}
	m := build(t, System{Profile: named(t, "Win10x64_19041"), Identity: &id})
	if m.Truth.Kernel.PDB != id {
		t.Errorf("identity %v, want %v", m.Truth.Kernel.PDB, id)
	}
}

func TestSharedDataAndModules(t *testing.T) {
	for _, name := range []string{"WinXPSP2x86", "Win7SP1x64", "Win10x64_19041"} {
		s := System{Profile: named(t, name)}
		m := build(t, s)
		w := newWalker(t, s, m)
		shared := uint64(0xffdf0000)
		if w.ptr() == 8 {
			shared = 0xfffff78000000000
		}
		if got := w.read(shared+w.off("_KUSER_SHARED_DATA.NtMajorVersion"), 4); got != uint64(s.Profile.Version().Major) {
			t.Errorf("%s: major version %d", name, got)
		}
		if got := w.read(shared+w.off("_KUSER_SHARED_DATA.SystemTime"), 8); got != fileTime(m.Truth.Kernel.Time) {
			t.Errorf("%s: system time %#x, want %#x", name, got, fileTime(m.Truth.Kernel.Time))
		}
		modules := w.list(m.Truth.Kernel.PsLoadedModuleList, 0)
		if len(modules) != 2 || w.pointer(modules[0]+w.off("_LDR_DATA_TABLE_ENTRY.DllBase")) != m.Truth.Kernel.Base {
			t.Errorf("%s: modules %#x", name, modules)
		}
	}
}

// TestPoolHeaders walks the blocks of the page that the System process is in.
func TestPoolHeaders(t *testing.T) {
	for p := range profile.Builtin().All() {
		s := System{Profile: p}
		m := build(t, s)
		w := newWalker(t, s, m)
		eprocess := m.Truth.Processes[0].EPROCESS
		tag, found, last := "Pro\xe3", false, uint64(0)
		if p.Version().Build >= 9200 {
			tag = "Proc"
		}
		unit := uint64(w.ptr()) * 2
		for at := eprocess &^ 0xfff; at < eprocess; {
			previous, size := w.bits(at, "_POOL_HEADER.PreviousSize"), w.bits(at, "_POOL_HEADER.BlockSize")*unit
			if previous*unit != last || size == 0 {
				t.Errorf("%s: block at %#x: previous size %#x after a block of %#x, size %#x", p.Name(), at, previous*unit, last, size)
				break
			}
			if at+size > eprocess {
				found = string(w.bytes(at+4, 4)) == tag
			}
			at, last = at+size, size
		}
		if !found {
			t.Errorf("%s: the process at %#x is in no block tagged %q", p.Name(), eprocess, tag)
		}
	}
}

func (w walker) bits(va uint64, member string) uint64 {
	f, ok := w.p.Field(member)
	if !ok {
		w.t.Fatalf("profile %s lacks %s", w.p.Name(), member)
	}
	return f.Bitfield(w.read(va+uint64(f.Offset), int(f.Size)))
}
