package memimage

import (
	"fmt"
	"strings"
	"testing"

	"memlens/memimage/restore"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// TestAnotherProcesssPagesOfAModule takes a page of a DLL from another process's page tables where they prove that the
// page is the section's. The question is whether one process may be a clone of the other, which has the same program.
func TestAnotherProcesssPagesOfAModule(t *testing.T) {
	corpus.Long(t)
	const page = 1 // of .text
	for _, c := range []struct {
		profile, what string
		set           func(ps []synth.Process)
		found         bool
	}{
		{"WinXPSP2x86", "two that share it", func([]synth.Process) {}, true},
		{"Win2003SP2x86", "two that share it", func([]synth.Process) {}, true},
		{"Win7SP1x86", "two that share it", func([]synth.Process) {}, true},
		{"Win7SP1x64", "two that share it", func([]synth.Process) {}, true},
		{"Win10x64_19041", "two that share it, where pages are combined", func([]synth.Process) {}, false},
		{"Win7SP1x64", "one has it", func(ps []synth.Process) { ps[2].Modules[0].Pages = ps[0].Modules[0].Pages }, false},
		{"Win7SP1x64", "one has not the DLL", func(ps []synth.Process) { ps[2].Modules = nil }, false},
		{"WinXPSP2x86", "one has it elsewhere", func(ps []synth.Process) { ps[2].Modules[0].Base = 0x6000000 }, false},
		{"WinXPSP2x86", "one is in no list", func(ps []synth.Process) { ps[2].Modules[0].Unlinked = true }, true},
		{"WinXPSP2x86", "one has written to it", func(ps []synth.Process) { ps[2].Modules[0].Mangle = func(b []byte) { b[page*pageSize] ^= 1 } }, false},
		{"WinXPSP2x86", "one has a copy in private memory", func(ps []synth.Process) { ps[2].Modules[0].Private = true }, false},
		{"WinXPSP2x86", "one is the other's child, of another program", func(ps []synth.Process) { ps[2].PPID = ps[1].PID }, true},
		{"WinXPSP2x86", "one is the other's child, of the same program", func(ps []synth.Process) { ps[2].PPID, ps[2].Image = ps[1].PID, ps[1].Image }, false},
		{"WinXPSP2x86", "both are of one program", func(ps []synth.Process) { ps[2].Image = ps[1].Image }, true},
		{"WinXPSP2x86", "both are of one program, of one that is gone", func(ps []synth.Process) { ps[1].PPID, ps[2].PPID, ps[2].Image = 8888, 8888, ps[1].Image }, false},
		{"WinXPSP2x86", "both are of one that is gone", func(ps []synth.Process) { ps[1].PPID, ps[2].PPID = 8888, 8888 }, true},
		{"WinXPSP2x86", "one has exited", func(ps []synth.Process) { ps[2].Dead = true }, false},
		{"WinXPSP2x86", "one has a loop in its descriptors", func(ps []synth.Process) { ps[2].VADLoop = true }, true},
	} {
		t.Run(c.profile+"/"+c.what, func(t *testing.T) {
			p := profileNamed(t, c.profile)
			library := synth.NewProgram(synth.Program{Name: "shared.dll", Bits: int(p.Arch().PointerSize()) * 8, Base: 0x5000000, DLL: true, Code: 0x3000})
			gone := func(at int) synth.State {
				if at == page {
					return synth.LookupValid
				}
				return synth.Valid
			}
			ps := threeOf(p.Arch().PointerSize(), library)
			ps[0].Modules[0].Pages = gone
			c.set(ps)
			for _, one := range crowd(p) {
				one.Minimal = true
				ps = append(ps, one)
			}
			m := buildMemory(t, synth.System{Profile: p, RAM: 32 << 20, Processes: ps})
			im := openMemory(t, &synth.Memory{Reader: withoutEntry(t, m, protoOf(t, m, 40, "shared.dll", page))}, Options{})
			r, err := moduleNamed(t, pidOf(t, im, 40), "shared.dll").Restored()
			if err != nil {
				t.Fatal(err)
			}
			seen := false
			for i := range r.Rows {
				row := &r.Rows[i]
				if row.RVA != page*pageSize {
					continue
				}
				seen = true
				if found := row.Kind != restore.Missing; found != c.found || found && (!strings.Contains(row.Source, "processes 44 and 48") || row.Kind != restore.Mapped) {
					t.Errorf("%+v, want it found: %v", row, c.found)
				}
			}
			if exactBytes(t, r, library.File); !seen {
				t.Error("no row is of the page")
			}
		})
	}
}

// threeOf are processes with different programs and the same DLL.
func threeOf(pointer int64, library *synth.Executable) (out []synth.Process) {
	for i := range uint64(3) {
		name := fmt.Sprintf("own%d.exe", i)
		program := synth.NewProgram(synth.Program{Name: name, Bits: int(pointer) * 8, Base: 0x400000})
		out = append(out, synth.Process{
			PID: 40 + 4*i, PPID: 4, Name: name, Image: program,
			Modules: []synth.Module{{Image: library, Path: `C:\WINDOWS\system32\shared.dll`}},
		})
	}
	return out
}

// protoOf returns the address of the prototype entry of a page of a process's module.
func protoOf(t *testing.T, m *synth.Memory, pid uint64, module string, page int) uint64 {
	t.Helper()
	for _, p := range m.Truth.Processes {
		for _, x := range p.Modules {
			if p.PID == pid && strings.HasSuffix(x.Path, module) {
				return x.Pages[page].Proto
			}
		}
	}
	t.Fatalf("process %d has no module %s", pid, module)
	return 0
}

func moduleNamed(t testing.TB, p *Process, name string) *FoundModule {
	t.Helper()
	found, _ := p.Modules()
	for _, m := range found {
		if m.Name() == name {
			return m
		}
	}
	t.Fatalf("process %d has no module %s", p.PID, name)
	return nil
}
