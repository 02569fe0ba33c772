package synth

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"memlens/memimage/profile"
)

func named(t testing.TB, name string) *profile.Profile {
	t.Helper()
	p, err := profile.Builtin().ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func build(t testing.TB, s System) *Memory {
	t.Helper()
	m, err := Build(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// typical is a system with the processes that most tests need.
func typical(p *profile.Profile) System {
	bits := int(p.Arch().PointerSize()) * 8
	ntdll := NewProgram(Program{Name: "ntdll.dll", Bits: bits, Base: map[int]uint64{32: 0x7c900000, 64: 0x7ffd1000000}[bits], DLL: true})
	modules := []Module{{Image: ntdll, Path: `C:\WINDOWS\system32\ntdll.dll`}}
	exe := NewProgram(Program{Name: "one.exe", Bits: bits})
	return System{Profile: p, Processes: []Process{
		{PID: 368, PPID: 4, Name: "smss.exe", Image: exe, Modules: modules},
		{PID: 3256, PPID: 368, Name: "cmd.exe", CommandLine: `"cmd.exe" /c dir`, Image: NewProgram(Program{Name: "two.exe", Bits: bits}), Modules: modules},
		{PID: 1200, PPID: 368, Name: "averyverylongname.exe", Image: exe, Modules: modules, Hidden: true},
		{PID: 1204, PPID: 368, Name: "gone.exe", Image: exe, Dead: true},
	}}
}

func TestEveryProfile(t *testing.T) {
	n := 0
	for p := range profile.Builtin().All() {
		n++
		t.Run(p.Name(), func(t *testing.T) {
			s := typical(p)
			m := build(t, s)
			checkSystem(t, s, m)
		})
	}
	if n < 74 {
		t.Errorf("%d profiles, want 74 at least", n)
	}
}

func TestPagingModes(t *testing.T) {
	for _, c := range []struct {
		profile string
		paging  Paging
		large   bool
	}{
		{"WinXPSP2x86", X86, false}, {"WinXPSP2x86", X86, true}, {"WinXPSP2x86", PAE, false}, {"WinXPSP3x86", PAE, true},
		{"Win2003SP2x86", X86, true}, {"Win7SP1x86", X86, false}, {"Win7SP1x86_24000", PAE, true},
		{"Win7SP1x64", X64, true}, {"Win10x64_19041", LA57, false}, {"Win10x64_19041", LA57, true},
	} {
		t.Run(fmt.Sprintf("%s/%s/large=%v", c.profile, c.paging, c.large), func(t *testing.T) {
			s := typical(named(t, c.profile))
			s.Paging, s.LargePages, s.RAM = c.paging, c.large, 128<<20
			checkSystem(t, s, build(t, s))
		})
	}
}

// checkSystem walks everything that Truth names.
func checkSystem(t *testing.T, s System, m *Memory) {
	t.Helper()
	w := newWalker(t, s, m)
	k := m.Truth.Kernel
	if got := w.bytes(k.Base, 2); string(got) != "MZ" {
		t.Errorf("the kernel at %#x starts with %q", k.Base, got)
	}
	var want []uint64
	for _, p := range m.Truth.Processes {
		if p.Listed {
			want = append(want, p.EPROCESS)
		}
	}
	if got := w.processes(k.PsActiveProcessHead); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("process list %#x, want %#x", got, want)
	}
	if got := w.pointer(k.PsInitialSystemProcess); got != want[0] {
		t.Errorf("PsInitialSystemProcess %#x, want %#x", got, want[0])
	}
	for _, p := range m.Truth.Processes {
		checkProcess(t, w, p)
	}
}

func checkProcess(t *testing.T, w walker, p ProcessTruth) {
	t.Helper()
	name := strings.TrimRight(string(w.bytes(p.EPROCESS+w.off("_EPROCESS.ImageFileName"), 15)), "\x00")
	if name != p.Name {
		t.Errorf("%#x: name %q, want %q", p.EPROCESS, name, p.Name)
	}
	if pid := w.pointer(p.EPROCESS + w.off("_EPROCESS.UniqueProcessId")); pid != p.PID {
		t.Errorf("%s: pid %d, want %d", p.Name, pid, p.PID)
	}
	if p.File == nil || p.Reused {
		return
	}
	u := w.in(w.pointer(p.EPROCESS + w.off("_EPROCESS.Pcb.DirectoryTableBase")))
	if got := u.bytes(p.Base, 2); string(got) != "MZ" {
		t.Errorf("%s: image starts with %q", p.Name, got)
	}
	if !p.Dead {
		checkPEB(t, u, p)
	}
}

func checkPEB(t *testing.T, u walker, p ProcessTruth) {
	t.Helper()
	peb := u.pointer(p.EPROCESS + u.off("_EPROCESS.Peb"))
	if got := u.pointer(peb + u.off("_PEB.ImageBaseAddress")); peb != p.PEB || got != p.Base {
		t.Errorf("%s: PEB %#x, image base %#x, want %#x, %#x", p.Name, peb, got, p.PEB, p.Base)
	}
	params := u.pointer(peb + u.off("_PEB.ProcessParameters"))
	if got := u.unicode(params + u.off("_RTL_USER_PROCESS_PARAMETERS.ImagePathName")); got != p.Path {
		t.Errorf("%s: path %q, want %q", p.Name, got, p.Path)
	}
	if got := u.unicode(params + u.off("_RTL_USER_PROCESS_PARAMETERS.CommandLine")); got != p.CommandLine {
		t.Errorf("%s: command line %q, want %q", p.Name, got, p.CommandLine)
	}
	ldr := u.pointer(peb + u.off("_PEB.Ldr"))
	for _, order := range []string{"InLoadOrder", "InMemoryOrder"} {
		var got []string
		for _, e := range u.list(ldr+u.off("_PEB_LDR_DATA."+order+"ModuleList"), u.off("_LDR_DATA_TABLE_ENTRY."+order+"Links")) {
			got = append(got, fmt.Sprintf("%#x %s", u.pointer(e+u.off("_LDR_DATA_TABLE_ENTRY.DllBase")), u.unicode(e+u.off("_LDR_DATA_TABLE_ENTRY.FullDllName"))))
		}
		var want []string
		for _, m := range p.Modules {
			want = append(want, fmt.Sprintf("%#x %s", m.Base, m.Path))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %s %q, want %q", p.Name, order, got, want)
		}
	}
}

func TestDeterministic(t *testing.T) {
	s := typical(named(t, "WinXPSP2x86"))
	a, b := build(t, s), build(t, s)
	x, y := make([]byte, a.Reader.Size()), make([]byte, b.Reader.Size())
	if _, err := a.Reader.ReadAt(x, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Reader.ReadAt(y, 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(x, y) {
		t.Error("two builds of one System differ")
	}
	s.Seed = 1
	if _, err := build(t, s).Reader.ReadAt(y, 0); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(x, y) {
		t.Error("the seed changes nothing")
	}
}
