package memimage

import (
	"bytes"
	"debug/pe"
	"testing"

	"memlens/memimage/profile"
	"memlens/memimage/synth"
)

// TestLoadedModules asks for DLLs by the names of their files. debug/pe reads their headers.
func TestLoadedModules(t *testing.T) {
	p, err := profile.Builtin().ByName("WinXPSP2x86")
	if err != nil {
		t.Fatal(err)
	}
	dll := func(name string, base uint64) *synth.Executable {
		return synth.NewProgram(synth.Program{Name: name, Bits: 32, Base: base, DLL: true})
	}
	ntdll, moved := dll("ntdll.dll", 0x7c900000), dll("moved.dll", 0x10000000)
	process := synth.Process{PID: 500, PPID: 4, Name: "a.exe", Path: `C:\a.exe`, Image: synth.NewProgram(synth.Program{Name: "a.exe", Bits: 32})}
	process.Modules = []synth.Module{
		{Image: ntdll, Path: `C:\WINDOWS\system32\ntdll.dll`},
		{Image: moved, Path: `C:\moved.dll`, Base: 0x20000000},
		{Image: dll("twice.dll", 0x30000000), Path: `C:\one\twice.dll`},
		{Image: dll("twice.dll", 0x31000000), Path: `C:\two\TWICE.DLL`},
	}
	im := openMemory(t, buildMemory(t, synth.System{Profile: p, RAM: 32 << 20, Processes: []synth.Process{process}}), Options{})
	for _, q := range allProcesses(t, im) {
		if q.PID != 500 {
			continue
		}
		loaded := newLoadedModules(q.Process, im.Kernel)
		for name, want := range map[string]struct {
			file *synth.Executable
			base uint64
		}{"NTDLL.dll": {ntdll, 0x7c900000}, "moved.dll": {moved, 0x20000000}, "twice.dll": {}, "other.dll": {}, "": {}} {
			m, ok := loaded.module(name)
			if ok != (want.file != nil) {
				t.Errorf("%q: %+v, %v", name, m, ok)
			}
			if !ok || want.file == nil {
				continue
			}
			f, err := pe.NewFile(bytes.NewReader(want.file.File))
			if err != nil {
				t.Fatal(err)
			}
			o := f.OptionalHeader.(*pe.OptionalHeader32)
			if m.Base != want.base || m.ImageBase != uint64(o.ImageBase) || m.Size != uint64(o.SizeOfImage) || m.TimeDateStamp != f.TimeDateStamp {
				t.Errorf("%q: %+v, its header says %#x, %#x, %#x", name, m, o.ImageBase, o.SizeOfImage, f.TimeDateStamp)
			}
		}
		return
	}
	t.Error("the process is missing")
}
