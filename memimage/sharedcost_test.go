package memimage

import (
	"context"
	"fmt"
	"testing"
	"time"

	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// TestProcessesOfASectionShareItsPages restores many processes of one program. Only the first page can be read by the
// process's own tables or the section's prototypes. All processes need the same pages of others, which are searched
// once.
func TestProcessesOfASectionShareItsPages(t *testing.T) {
	const many = 40
	system := synth.Demo()
	program := synth.NewProgram(synth.Program{Name: "worker.exe", Base: 0x1000000, Code: 0x6000, Data: 0x2800, Bits: 32})
	system.Processes = nil
	for i := range uint64(many) {
		system.Processes = append(system.Processes, synth.Process{
			PID: 8 + 4*i, PPID: 4, Name: "worker.exe", Image: program,
			Pages: func(page int) synth.State {
				if page == 0 {
					return synth.Valid
				}
				return synth.ProtoDisk
			},
			Section: func(int) synth.Under { return synth.UnderDisk },
		})
	}
	mem, err := synth.Build(system)
	if err != nil {
		t.Fatal(err)
	}
	im, err := OpenMemory(context.Background(), "many.raw", mem.Reader, Options{})
	if err != nil {
		t.Fatal(err)
	}
	listed, _ := im.Processes()
	for _, p := range listed {
		if p.PID != 4 {
			if _, err := p.RestoredSize(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := im.sharersOf.Len(); n != 1 {
		t.Errorf("the processes of %d mappings were looked for, want 1", n)
	}
	pages := int(listed[len(listed)-1].PageCount())
	if n := im.sharedPages.Len(); n == 0 || n > pages {
		t.Errorf("%d pages were looked for, of %d", n, pages)
	}
	for _, m := range im.sharersOf.Keys() {
		if sharers, _ := im.sharersOf.Get(m); len(sharers) != many {
			t.Errorf("%d processes share the section, want %d", len(sharers), many)
		}
	}
}

// manyModules are many processes with programs of their own, all with the same DLLs, with so many bytes of code.
func manyModules(t testing.TB, profile string, processes, modules, code int) synth.System {
	t.Helper()
	p := profileNamed(t, profile)
	bits := int(p.Arch().PointerSize()) * 8
	var libraries []synth.Module
	for i := range uint64(modules) {
		name := fmt.Sprintf("library%d.dll", i)
		exe := synth.NewProgram(synth.Program{Name: name, Bits: bits, Base: 0x10000000 + i<<20, Code: code, Data: code / 4, DLL: true})
		libraries = append(libraries, synth.Module{Image: exe, Path: `C:\WINDOWS\system32\` + name})
	}
	system := synth.System{Profile: p, RAM: 512 << 20}
	for i := range uint64(processes) {
		name := fmt.Sprintf("own%d.exe", i)
		program := synth.NewProgram(synth.Program{Name: name, Bits: bits, Base: 0x400000, Code: 0x1000})
		system.Processes = append(system.Processes, synth.Process{PID: 8 + 4*i, PPID: 4, Name: name, Image: program, Modules: libraries})
	}
	return system
}

// TestModulesOfManyProcessesAreIndexedOnce asks for the sharers of all DLLs of all processes, and for all their pages:
// descriptors are walked once.
func TestModulesOfManyProcessesAreIndexedOnce(t *testing.T) {
	corpus.Long(t)
	const processes, modules = 100, 100
	im := openMemory(t, buildMemory(t, manyModules(t, "WinXPSP2x86", processes, modules, 0x1000)), Options{})
	listed, _ := im.Processes()
	start, asked := time.Now(), 0
	for _, p := range listed {
		found, _ := p.Modules()
		for _, m := range found {
			s, err := m.sources()
			if err != nil {
				t.Fatal(err)
			}
			if asked++; m.Module == p.Module {
				continue
			}
			if n := len(im.sharers(s.mapping())); n != processes {
				t.Fatalf("%s of process %d: %d processes share it, want %d", m.Name(), p.PID, n, processes)
			}
			for rva := uint32(0); rva < uint32(s.pageCount())*pageSize; rva += pageSize {
				s.shared(rva)
			}
		}
	}
	t.Logf("%d modules in %v", asked, time.Since(start))
	if n, indexed := im.sharersOf.Len(), len(im.mappings()); n != 0 || indexed != modules {
		t.Errorf("the processes of %d mappings were looked for, and %d are indexed; want 0 and %d", n, indexed, modules)
	}
}
