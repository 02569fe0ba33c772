package nt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// checkFound compares a kernel with the built one.
func checkFound(t *testing.T, l *lab, k *Kernel) {
	t.Helper()
	want := l.built.Truth.Kernel
	if uint64(k.Base) != want.Base || uint64(k.PsActiveProcessHead) != want.PsActiveProcessHead || uint64(k.SystemProcess) != l.built.Truth.Processes[0].EPROCESS {
		t.Errorf("kernel at %#x, list at %#x, System at %#x, want %#x %#x %#x", k.Base, k.PsActiveProcessHead, k.SystemProcess,
			want.Base, want.PsActiveProcessHead, l.built.Truth.Processes[0].EPROCESS)
	}
	if uint64(k.DTB()) != want.DTB {
		t.Errorf("System's page tables are at %#x, want %#x", k.DTB(), want.DTB)
	}
	own := new(layout)
	if err := l.sys.Profile.Bind(own); err != nil || k.Exact && *k.layout != *own {
		t.Errorf("profile %s has other offsets than %s", k.Profile.Name(), l.sys.Profile.Name())
	}
	if !k.SystemTime.Equal(want.Time) || k.Root != `C:\WINDOWS` || len(k.Found) < 3 {
		t.Errorf("profile %s, time %v, root %s, found %q", k.Profile.Name(), k.SystemTime, k.Root, k.Found)
	}
}

func TestFind(t *testing.T) {
	type options = synth.System
	for _, c := range []struct {
		name, profile string
		set           func(*options)
	}{
		{"x86", "WinXPSP2x86", func(s *options) {}},
		{"x86, large pages", "WinXPSP2x86", func(s *options) { s.LargePages = true }},
		{"x86, tables at the end of memory", "WinXPSP2x86", func(s *options) { s.Lowest = s.RAM - 10<<20 }},
		{"PAE", "Win7SP1x86_24000", func(s *options) { s.Paging = synth.PAE }},
		{"PAE, large pages at the end", "WinXPSP3x86", func(s *options) { s.Paging, s.LargePages, s.Lowest = synth.PAE, true, s.RAM-20<<20 }},
		{"x64", "Win7SP1x64", func(s *options) {}},
		{"x64, low stub", "Win7SP1x64", func(s *options) { s.LowStub = true }},
		{"x64, tables at the end of memory", "Win7SP1x64", func(s *options) { s.Lowest = s.RAM - 12<<20 }},
		{"x64, self map anywhere", "Win10x64_19041", func(s *options) { s.SelfMap = 0x123 }},
		{"x64, last self map", "Win10x64_19041", func(s *options) { s.SelfMap = 0x1fe }},
		{"x64, KVA shadow and PCID", "Win10x64_19041", func(s *options) { s.KVAShadow, s.PCID = true, true }},
		{"x64, plain KDBG", "Win10x64_19041", func(s *options) { s.KDBG = synth.KDBGPlain }},
		{"x64, no KDBG", "Win7SP1x64", func(s *options) { s.KDBG = synth.KDBGWiped }},
		{"x86, no KDBG", "WinXPSP2x86", func(s *options) { s.KDBG = synth.KDBGWiped }},
		{"five levels", "Win10x64_19041", func(s *options) { s.Paging = synth.LA57 }},
		{"with an Idle process", "Win7SP1x64", func(s *options) { s.Idle = true }},
		{"unlinked System's neighbour", "WinXPSP2x86", func(s *options) { s.Hostile.WildLinks = true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := system(t, c.profile)
			s.RAM = 64 << 20
			c.set(&s)
			l := newLab(t, s)
			checkFound(t, l, l.whole)
		})
	}
}

// TestFindDamaged removes something on the way to the kernel, or adds something misleading.
func TestFindDamaged(t *testing.T) {
	for _, c := range []struct {
		name, profile string
		damage        func(l *lab)
		noImage       bool // the kernel's executable cannot be found
	}{
		{"low stub of something else", "Win7SP1x64", func(l *lab) { l.writePhys(0x1000+0xa0, le64(0x123000)) }, false},
		{"low stub with a wild CR3", "Win7SP1x64", func(l *lab) { l.writePhys(0x1000+0xa0, le64(0xfffffff000)) }, false},
		{"a page that maps only itself", "Win7SP1x64", func(l *lab) { l.writePhys(0x2000, selfMap(0x2000, 0x1ed)) }, false},
		{"a page directory that maps only itself", "WinXPSP2x86", func(l *lab) { l.writePhys(0x2000+0xc00, le64(0x2001)[:4]) }, false},
		{"pages of page directory pointers", "WinXPSP2x86", func(l *lab) { l.writePhys(0x2000, pointers(0x1000)) }, false},
		{"no headers, but KDBG", "WinXPSP2x86", func(l *lab) { l.cut(l.built.Truth.Kernel.Base) }, true},
		{"no headers, but KDBG, x64", "Win7SP1x64", func(l *lab) { l.cut(l.built.Truth.Kernel.Base) }, true},
		{"no magic, but KDBG", "Win7SP1x64", func(l *lab) { l.write(l.built.Truth.Kernel.Base, []byte{0, 0}) }, true},
		{"export directory far away", "WinXPSP2x86", func(l *lab) { l.write(l.directory(0), le64(0xffffffffffffff00)) }, false},
		{"debug directory far away", "WinXPSP2x86", func(l *lab) { l.write(l.directory(6), le64(0xffffffffffffff00)) }, false},
		{"KDBG names no list", "WinXPSP2x86", func(l *lab) { l.write(l.built.Truth.Kernel.KDBG+0x50, le64(0x1234)) }, false},
		{"KDBG names another kernel", "WinXPSP2x86", func(l *lab) { l.write(l.built.Truth.Kernel.KDBG+0x18, le64(0x80000000)) }, false},
		{"PsInitialSystemProcess is wild", "WinXPSP2x86", func(l *lab) { l.writePtr(l.built.Truth.Kernel.PsInitialSystemProcess, 0x12345678) }, false},
		{"the hints are wrong", "Win7SP1x64", func(l *lab) {
			l.options.Hints = Hints{DTBs: []paging.Phys{0, 0x5000, 1 << 51}, KDBG: 0x1234, PsActiveProcessHead: 0xfffff80000001000}
		}, false},
		{"the hints are right", "Win7SP1x64", func(l *lab) {
			k := l.built.Truth.Kernel
			l.options.Hints = Hints{DTBs: []paging.Phys{paging.Phys(k.DTB)}, KDBG: paging.Virt(k.KDBG), PsActiveProcessHead: paging.Virt(k.PsActiveProcessHead)}
		}, false},
		{"only the hint leads to the list", "Win7SP1x64", func(l *lab) {
			k := l.built.Truth.Kernel
			l.writePtr(k.PsInitialSystemProcess, 0)
			l.write(k.KDBG, make([]byte, 0x100))
			l.options.Hints.PsActiveProcessHead = paging.Virt(k.PsActiveProcessHead)
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := system(t, c.profile)
			s.Lowest, s.LowStub = 0x4000, true
			l := newLab(t, s)
			c.damage(l)
			k, err := l.find()
			if err != nil {
				t.Fatal(err)
			}
			if c.noImage {
				k.Base = paging.Virt(l.built.Truth.Kernel.Base)
			}
			checkFound(t, l, k)
		})
	}
}

func le64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

// directory is the address of an entry of the kernel's data directory.
func (l *lab) directory(i uint64) uint64 {
	base := l.built.Truth.Kernel.Base
	m := l.whole.kernel
	lfanew, err := m.u32(paging.Virt(base) + 0x3c)
	if err != nil {
		l.t.Fatal(err)
	}
	dirs := base + lfanew + 0x18 + 0x60
	if m.pointer == 8 {
		dirs += 0x10
	}
	return dirs + 8*i
}

// selfMap is a page table with one entry, which maps the table.
func selfMap(pa uint64, slot int) []byte {
	p := make([]byte, pageSize)
	binary.LittleEndian.PutUint64(p[8*slot:], pa|0x63)
	return p
}

// pointers is a page full of entries that look like PAE's page directory pointers.
func pointers(first uint64) []byte {
	p := make([]byte, pageSize)
	for i := range uint64(512) {
		binary.LittleEndian.PutUint64(p[8*i:], first+i%4*0x1000|1)
	}
	return p
}

func TestNoKernel(t *testing.T) {
	zeros := make([]byte, 4<<20)
	tables := slices.Clone(zeros)
	copy(tables[0x5000:], selfMap(0x5000, 0x1ed))
	copy(tables[0x6000:], pointers(0x7000))
	shared := slices.Clone(zeros)
	round(shared, 1)
	shared[0x4000] = 0 // no executable
	for name, c := range map[string]struct {
		mem  []byte
		want []string
	}{
		"zeros":             {zeros, []string{"4096 KiB", "found no page that looks like one"}},
		"tables of another": {tables, []string{"130 by their looks", "KUSER_SHARED_DATA"}},
		"no kernel":         {shared, []string{"1 maps the page that every Windows shares with its programs (KUSER_SHARED_DATA)", "PsInitialSystemProcess", "KDBG"}},
	} {
		t.Run(name, func(t *testing.T) {
			mem, _ := sparse.NewReader(int64(len(c.mem)), sparse.Extent{Len: int64(len(c.mem)), Src: sparse.Bytes(c.mem)})
			f := newFinder(mem, Options{Profiles: profile.Builtin()})
			f.work.left = 1 << 16
			_, err := f.find(context.Background())
			var missing *NotFoundError
			if !errors.As(err, &missing) {
				t.Fatalf("error %v", err)
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
		})
	}
}

func TestNoProfile(t *testing.T) {
	l := newLab(t, system(t, "WinXPSP2x86"))
	l.options.Symbols = func(id profile.Identity, v profile.Version) (*profile.Profile, error) {
		return nil, fmt.Errorf("%s was asked for", id.PDB)
	}
	l.options.Profiles = new(profile.Set)
	_, err := l.find()
	var unfit *ProfileError
	if !errors.As(err, &unfit) {
		t.Fatalf("error %v", err)
	}
	id := l.built.Truth.Kernel.PDB
	for _, part := range []string{"5.1 build 2600", id.GUID, id.PDB, "age", "no profile has the kernel's GUID", id.PDB + " was asked for"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}

func TestForcedProfileThatDoesNotFit(t *testing.T) {
	l := newLab(t, system(t, "WinXPSP2x86"))
	l.options.Force = named(t, "Win7SP1x86")
	_, err := l.find()
	var unfit *ProfileError
	if !errors.As(err, &unfit) || !strings.Contains(err.Error(), "Win7SP1x86: ") || len(unfit.Tried) != 1 {
		t.Errorf("error %v", err)
	}
}

func TestFindStops(t *testing.T) {
	l := newLab(t, system(t, "WinXPSP2x86"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Find(ctx, l.memory(), l.options); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// round writes page tables for which every address of an x64 system leads to one page, which has the looks of the
// shared page and of an executable that is no kernel; n page directories share them.
func round(mem []byte, n int) {
	const one, two, three, page = 0x1000, 0x2000, 0x3000, 0x4000
	for i := range 512 {
		binary.LittleEndian.PutUint64(mem[one+8*i:], two|1)
		binary.LittleEndian.PutUint64(mem[two+8*i:], three|1)
		binary.LittleEndian.PutUint64(mem[three+8*i:], page|1)
	}
	copy(mem[page:], "MZ")
	mem[page+0x3c] = 0xf0 // behind the system root
	copy(mem[page+0x30:], "C\x00:\x00\\\x00W\x00\x00\x00\x00\x00")
	mem[page+0x26c] = 6
	for d := range n {
		pa := 0x10000 + d*pageSize
		for i := range 512 {
			binary.LittleEndian.PutUint64(mem[pa+8*i:], one|1)
		}
		binary.LittleEndian.PutUint64(mem[pa+8*0x1ed:], uint64(pa)|1)
	}
}

// TestRoundTables has page directories that map all of the kernel's range to one page, over and over.
func TestRoundTables(t *testing.T) {
	corpus.Long(t)
	for name, c := range map[string]struct {
		kernel bool
		want   string
	}{"an executable": {false, "1000 map the page"}, "a kernel": {true, "gave up"}} {
		t.Run(name, func(t *testing.T) {
			mem := make([]byte, 8<<20)
			round(mem, 1000)
			if c.kernel {
				putKernel(mem[0x4000:])
			}
			r, _ := sparse.NewReader(int64(len(mem)), sparse.Extent{Len: int64(len(mem)), Src: sparse.Bytes(mem)})
			f := newFinder(r, Options{Profiles: profile.Builtin()})
			f.work.left = 1 << 21
			_, err := f.find(context.Background())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v", err)
			}
			if f.work.left < -(kernelWork + maxKernelImage/pageSize<<5) {
				t.Errorf("the limit was passed by %d", -f.work.left)
			}
		})
	}
}

// putKernel makes an executable of page that has the kernel's name and claims the largest size.
func putKernel(page []byte) {
	const nt = 0x100
	binary.LittleEndian.PutUint32(page[0x3c:], nt)
	binary.LittleEndian.PutUint32(page[nt:], 0x4550)
	binary.LittleEndian.PutUint16(page[nt+0x18:], 0x20b)
	binary.LittleEndian.PutUint32(page[nt+0x18+0x38:], maxKernelImage)
	binary.LittleEndian.PutUint32(page[nt+0x18+0x70:], 0x800) // exports, all in this page
	for off, v := range map[int]uint32{12: 0x900, 24: 1 << 30, 28: 0x800, 32: 0x800, 36: 0x800} {
		binary.LittleEndian.PutUint32(page[0x800+off:], v)
	}
	copy(page[0x900:], "ntoskrnl.exe")
}

// TestFindOnReferenceImages finds the kernels of real systems, and shows that the bound on a search's work is far away.
func TestFindOnReferenceImages(t *testing.T) {
	for _, name := range []string{"WinXPSP2x86", "WinXPSP2x86PAE", "WinXPSP3x86PAE", "Win2003SP2x86", "ReactOS0413x86",
		"Win7SP1x86PAE", "Win7SP1x64", "Win10x64_18362", "Win10x64_19041", "Win11x64_22000"} {
		t.Run(name, func(t *testing.T) {
			mem, truth := referenceMemory(t, name), corpus.Load(t, name)
			f := newFinder(mem, Options{Profiles: profile.Builtin()})
			k, err := f.find(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			for what, c := range map[string]struct {
				got  uint64
				want string
			}{
				"kernel": {uint64(k.Base), truth.Kernel.Base}, "KDBG": {uint64(k.KDBG), truth.Kernel.KDBG}, "list": {uint64(k.PsActiveProcessHead), truth.Kernel.PsActiveProcessHead},
			} {
				if c.want != "" && fmt.Sprintf("%#x", c.got) != c.want {
					t.Errorf("%s at %#x, want %s", what, c.got, c.want)
				}
			}
			spent := maxWork - f.work.left
			t.Logf("%d units of work, %d page directories", spent, f.windows)
			if spent > maxWork/16 {
				t.Errorf("%d units of work: the bound is too near", spent)
			}
		})
	}
}

func referenceMemory(t testing.TB, name string) *sparse.Reader {
	t.Helper()
	return fileMemory(t, corpus.Unpack(t, name+".raw"))
}

func fileMemory(t testing.TB, name string) *sparse.Reader {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	r, err := sparse.NewReader(info.Size(), sparse.Extent{Len: info.Size(), Src: sparse.Whole(file, info.Size())})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
