package synth

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRefused(t *testing.T) {
	xp, seven := named(t, "WinXPSP2x86"), named(t, "Win7SP1x64")
	for name, c := range map[string]struct {
		s    System
		want string
	}{
		"no profile":        {System{}, "Profile is not set"},
		"wide on narrow":    {System{Profile: xp, Paging: X64}, "does not page as x64"},
		"narrow on wide":    {System{Profile: seven, Paging: PAE}, "does not page as PAE"},
		"little memory":     {System{Profile: xp, RAM: 1 << 20}, "8 MiB at least"},
		"odd memory":        {System{Profile: xp, RAM: 32<<20 + 1}, "whole pages"},
		"much memory":       {System{Profile: xp, Paging: X86, RAM: 8 << 30}, "beyond what x86 paging reaches"},
		"session, LA57":     {System{Profile: seven, Paging: LA57, Drivers: []Driver{{Session: true}}}, "no session space"},
		"page file 16":      {System{Profile: xp, PageFile: 16}, "must be 0 to 15"},
		"memory full":       {System{Profile: xp, RAM: 8 << 20, Lowest: 8<<20 - 4*pageSize}, "no free frame left"},
		"not an executable": {System{Profile: xp, Processes: []Process{{Image: &Executable{File: []byte("MZ")}}}}, "not a PE file"},
	} {
		if _, err := Build(c.s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.want)
		}
	}
}

func TestLowest(t *testing.T) {
	s := typical(named(t, "Win7SP1x64"))
	s.RAM, s.Lowest = 64<<30, 40<<30
	m := build(t, s)
	checkSystem(t, s, m)
	if got := m.frames.pfns[0] << pageShift; got < 40<<30 {
		t.Errorf("a frame at %#x is used, want none below 40 GiB", got)
	}
	if m.Resident() > 16<<20 {
		t.Errorf("%d MiB are resident, want what the system holds and no more", m.Resident()>>20)
	}
}

func TestSmallestMachine(t *testing.T) {
	for _, name := range []string{"WinXPSP2x86", "Win7SP1x64", "Win10x64_19041"} {
		s := typical(named(t, name))
		s.RAM = 16 << 20
		checkSystem(t, s, build(t, s))
	}
}

func TestWriteFile(t *testing.T) {
	m := build(t, typical(named(t, "WinXPSP2x86")))
	name := filepath.Join(t.TempDir(), "memory.raw")
	if err := m.WriteFile(name); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want, err := io.ReadAll(io.NewSectionReader(m.Reader, 0, m.Reader.Size()))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("the file and the memory differ")
	}
}

func TestShadowAndPCID(t *testing.T) {
	s := typical(named(t, "Win10x64_19041"))
	s.KVAShadow, s.PCID = true, true
	m := build(t, s)
	w := newWalker(t, s, m)
	for _, p := range m.Truth.Processes[1:] {
		if p.DTB&0xfff != 2 || p.UserDTB&0xfff != 1 {
			t.Errorf("%s: directories %#x and %#x, want PCID 2 and 1", p.Name, p.DTB, p.UserDTB)
		}
		user := w.in(p.UserDTB)
		if got := user.bytes(p.Base, 2); string(got) != "MZ" {
			t.Errorf("%s: the user directory does not map the image", p.Name)
		}
		if _, ok := user.translate(p.EPROCESS); ok {
			t.Errorf("%s: the user directory maps kernel memory", p.Name)
		}
	}
}

func TestSelfMap(t *testing.T) {
	for _, c := range []struct {
		profile string
		paging  Paging
		pte     func(slot int, va uint64) uint64
	}{
		{"WinXPSP2x86", X86, func(_ int, va uint64) uint64 { return 0xc0000000 + va>>12*4 }},
		{"WinXPSP3x86", PAE, func(_ int, va uint64) uint64 { return 0xc0000000 + va>>12*8 }},
		{"Win10x64_19041", X64, func(slot int, va uint64) uint64 { return 0xffff<<48 | uint64(slot)<<39 | va<<16>>28<<3 }},
	} {
		s := typical(named(t, c.profile))
		s.Paging = c.paging
		m := build(t, s)
		w := newWalker(t, s, m)
		va := m.Truth.Kernel.Base
		want, _ := w.entry(va)
		if got := w.read(c.pte(m.Truth.Kernel.SelfMap, va), w.protoSize()); got != want {
			t.Errorf("%s: the PTE of %#x read through the self map is %#x, want %#x", c.profile, va, got, want)
		}
	}
}

func TestLowStub(t *testing.T) {
	s := System{Profile: named(t, "Win7SP1x64"), LowStub: true}
	m := build(t, s)
	w := newWalker(t, s, m)
	if got := w.phys(0x10a0, 8); got != m.Truth.Kernel.DTB {
		t.Errorf("CR3 in the start block is %#x, want %#x", got, m.Truth.Kernel.DTB)
	}
}

func TestWow64(t *testing.T) {
	for _, name := range []string{"Win2003SP1x64", "Win7SP1x64", "Win10x64_19041"} {
		s := typical(named(t, name))
		s.Processes = []Process{{PID: 3500, Name: "wow32.exe", Wow64: true, Image: NewProgram(Program{Name: "w.exe", Bits: 32})}}
		m := build(t, s)
		p := findPID(t, m, 3500)
		u := newWalker(t, s, m).in(p.DTB)
		member := "_EPROCESS.WoW64Process"
		if !u.has(member) {
			member = "_EPROCESS.Wow64Process"
		}
		peb32 := u.pointer(p.EPROCESS + u.off(member))
		if peb32 != p.PEB32 {
			peb32 = u.pointer(peb32)
		}
		if peb32 != p.PEB32 || u.read(peb32+8, 4) != p.Base {
			t.Errorf("%s: 32-bit PEB %#x, want %#x with image base %#x", name, peb32, p.PEB32, p.Base)
		}
	}
}

func TestDeadProcesses(t *testing.T) {
	s := typical(named(t, "WinXPSP2x86"))
	s.Processes = append(s.Processes,
		Process{PID: 1, Name: "ghost.exe", Image: s.Processes[0].Image, Ghost: true},
		Process{PID: 2, Name: "reused.exe", Image: s.Processes[0].Image, Dead: true, Reused: true})
	m := build(t, s)
	w := newWalker(t, s, m)
	ghost, reused := findPID(t, m, 1), findPID(t, m, 2)
	if ghost.Listed || !reused.Listed {
		t.Error("ghosts are in no list, exited processes are")
	}
	if got := w.read(ghost.EPROCESS+w.off("_EPROCESS.ExitTime"), 8); got == 0 || got != fileTime(ghost.Exited) {
		t.Errorf("exit time %#x", got)
	}
	if got := w.in(ghost.DTB).bytes(ghost.Base, 2); string(got) != "MZ" {
		t.Error("the ghost's page tables are gone")
	}
	if _, ok := w.in(reused.DTB).translate(reused.Base); ok {
		t.Error("the reused page directory still maps the image")
	}
}

func TestHostileLists(t *testing.T) {
	p := named(t, "WinXPSP2x86")
	for name, h := range map[string]Hostile{"loop": {LoopLists: true}, "wild": {WildLinks: true}} {
		s := typical(p)
		s.Hostile = h
		m := build(t, s)
		w := newWalker(t, s, m)
		at := m.Truth.Kernel.PsActiveProcessHead
		for range 20 {
			next := w.pointer(at)
			if _, ok := w.translate(next); !ok {
				at = 0
				break
			}
			if at = next; at == m.Truth.Kernel.PsActiveProcessHead {
				t.Fatalf("%s: the list ends", name)
			}
		}
		if (at == 0) != h.WildLinks {
			t.Errorf("%s: the walk ended at %#x", name, at)
		}
	}
}

func TestMangledHeader(t *testing.T) {
	s := typical(named(t, "WinXPSP2x86"))
	s.Processes[0].Mangle = func(image []byte) { putN(image, 0x3c, 0x7fffffff, 4) }
	m := build(t, s)
	p := findPID(t, m, 368)
	u := newWalker(t, s, m).in(p.DTB)
	if got := u.read(p.Base+0x3c, 4); got != 0x7fffffff {
		t.Errorf("e_lfanew is %#x", got)
	}
	if _, err := p.ProcExeDump(OwnTable); err != ErrNotPE {
		t.Errorf("error %v, want %v", err, ErrNotPE)
	}
	other := findPID(t, m, 1200) // it shares the section
	if got := newWalker(t, s, m).in(other.DTB).read(other.Base+0x3c, 4); got != peOffset {
		t.Errorf("the damage reached another process: e_lfanew %#x", got)
	}
}
