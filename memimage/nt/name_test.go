package nt

import (
	"strings"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/synth"
)

// TestKernelIsNamed removes the sources of the kernel's name from memory, one after the other.
func TestKernelIsNamed(t *testing.T) {
	exports := func(l *lab) { l.write(l.directory(0), le64(0xffffffffffffff00)) }
	modules := func(l *lab) {
		d, ok := readDebuggerData(l.whole.kernel, paging.Virt(l.built.Truth.Kernel.KDBG))
		if !ok {
			l.t.Fatal("no debugger data block")
		}
		l.writePtr(uint64(d.ptr(l.whole.kernel, kdbgPsLoadedModuleList)), 0x1234)
	}
	record := func(l *lab) { l.write(l.directory(6), le64(0)) }
	headers := func(l *lab) { l.write(l.built.Truth.Kernel.Base, []byte{0, 0}) }
	for _, c := range []struct {
		name, profile string
		damage        []func(*lab)
		want, by      string
	}{
		{"all is there", "WinXPSP2x86", nil, "ntoskrnl.exe", "the kernel ntoskrnl.exe is at"},
		{"no exports", "WinXPSP2x86", []func(*lab){exports}, "ntoskrnl.exe", "it is ntoskrnl.exe by the list of loaded modules"},
		{"no exports, x64", "Win7SP1x64", []func(*lab){exports}, "ntoskrnl.exe", "it is ntoskrnl.exe by the list of loaded modules"},
		{"no exports, no modules", "WinXPSP3x86", []func(*lab){exports, modules}, "ntkrnlpa.exe", "it is ntkrnlpa.exe by its debug record"},
		{"no exports, no modules, x64", "Win7SP1x64", []func(*lab){exports, modules}, "ntoskrnl.exe", "it is ntoskrnl.exe by its debug record"},
		{"no headers", "Win7SP1x64", []func(*lab){headers}, "ntoskrnl.exe", "is not found: its headers are not in memory; it is ntoskrnl.exe by the list of loaded modules"},
		{"no headers, no modules", "WinXPSP2x86", []func(*lab){headers, modules}, "ntoskrnl.exe", "it is ntoskrnl.exe by the name that it usually has; that is assumed"},
		{"no debug record", "WinXPSP2x86", []func(*lab){record}, "ntoskrnl.exe", "the kernel ntoskrnl.exe is at"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := system(t, c.profile)
			if c.want == "ntkrnlpa.exe" {
				s.Identity = &synth.RSDS{PDB: "ntkrpamp.pdb", GUID: strings.Repeat("7", 32), Age: 1}
			}
			l := newLab(t, s)
			for _, damage := range c.damage {
				damage(l)
			}
			k := l.kernel()
			if found := strings.Join(k.Found, "\n"); k.Name != c.want || !strings.Contains(found, c.by) {
				t.Errorf("named %q, want %q by %q; found:\n%s", k.Name, c.want, c.by, found)
			}
		})
	}
}

// TestModuleNameIsChecked has first entries of the list of modules that are not the kernel's, or have odd names.
func TestModuleNameIsChecked(t *testing.T) {
	l := newLab(t, system(t, "Win7SP1x64"))
	m := l.whole.kernel
	d, ok := readDebuggerData(m, paging.Virt(l.built.Truth.Kernel.KDBG))
	if !ok {
		t.Fatal("no debugger data block")
	}
	base := paging.Virt(l.built.Truth.Kernel.Base)
	if name, ok := moduleName(base, d, m); name != "ntoskrnl.exe" || !ok {
		t.Errorf("named %q, %v", name, ok)
	}
	if name, ok := moduleName(base+0x1000, d, m); ok {
		t.Errorf("%q begins elsewhere", name)
	}
	if name, ok := moduleName(base, nil, m); ok {
		t.Errorf("%q is named by nothing", name)
	}
	entry, err := m.ptr(d.ptr(m, kdbgPsLoadedModuleList))
	if err != nil {
		t.Fatal(err)
	}
	buffer, err := m.ptr(entry + 0x50)
	if err != nil {
		t.Fatal(err)
	}
	l.write(uint64(buffer)+2*uint64(len(`\WINDOWS\system32\`)), []byte("\x1b\x00"))
	l.write(l.directory(0), le64(0xffffffffffffff00))
	if k := l.kernel(); strings.Contains(strings.Join(k.Found, "\n"), "list of loaded modules") || strings.Contains(k.Name, "\x1b") {
		t.Errorf("named %q; found %q", k.Name, k.Found)
	}
}
