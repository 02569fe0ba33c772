package memimage

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"memlens/memimage/mdmp"
	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/synth"
)

// dumpedSystems are systems with a process of each width that has pages in all states, and threads.
func dumpedSystems(t *testing.T) map[string]synth.System {
	t.Helper()
	out := map[string]synth.System{}
	for name, builtin := range map[string]string{"x86": "WinXPSP2x86", "PAE": "Win7SP1x86", "Windows 7 x64": "Win7SP1x64", "x64": "Win10x64_19041"} {
		sys := builtSystem(named(t, builtin))
		for i := range sys.Processes {
			if p := &sys.Processes[i]; p.PID == 400 || p.Wow64 {
				p.ThreadList = []synth.Thread{{ID: 612, Stack: 0x230000, State: 5, IP: 0x401234}, {ID: 608, Stack: 0x240000, State: 2, IP: 0x401000}, {ID: 616, Stack: 0x280000, Other: 617}, {ID: 620, Stack: 0x290000, State: 5}, {ID: 624, Stack: 0x2a0000, State: 5, IP: 0x401000, NoTEB: true}}
				p.Regions = append(p.Regions, synth.Region{VA: 0x500000, Data: []byte("written"), Size: 0x4000, Protect: synth.ExecuteReadWrite})
			}
		}
		out[name] = sys
	}
	return out
}

// minidumpOf returns the minidump of a process.
func minidumpOf(t *testing.T, p *Process) *Minidump {
	t.Helper()
	d, err := p.Minidump(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestMinidumpMemory compares the memory of each process's minidump with a walk of the address space page by page: the
// minidump has every page that is present, with its bytes, and nothing else.
func TestMinidumpMemory(t *testing.T) {
	for name, sys := range dumpedSystems(t) {
		im := openMemory(t, buildMemory(t, sys), Options{})
		list, _ := im.Processes()
		dumped := 0
		for _, p := range list {
			if p.CheckMinidump() == nil {
				checkMinidumpMemory(t, name, p, minidumpOf(t, p))
				dumped++
			}
		}
		if dumped < 4 {
			t.Errorf("%s: %d processes have a minidump", name, dumped)
		}
	}
}

func checkMinidumpMemory(t *testing.T, name string, p *Process, d *Minidump) {
	t.Helper()
	listed := map[uint64]int64{} // pages, and where they are in the file
	at := d.Head
	for _, r := range d.Dump.Memory {
		for off := uint64(0); off < r.Len; off += pageSize {
			listed[r.Start+off] = at + int64(off)
		}
		at += int64(r.Len)
	}
	if at != d.File.Size() || int64(len(listed)) != d.Pages {
		t.Errorf("%s, process %d: the file has %d bytes and %d pages, want %d and %d", name, p.PID, d.File.Size(), d.Pages, at, len(listed))
	}
	regions, _ := p.Regions()
	space := p.Process.Space()
	for _, r := range append(regions, nt.Region{VAD: nt.VAD{Start: sharedInUser, End: sharedInUser + pageSize}}) {
		for va := r.Start; va < r.End; va += pageSize {
			var want, got [pageSize]byte
			_, err := space.ReadVirt(want[:], va)
			off, ok := listed[uint64(va)]
			if ok != (err == nil) {
				t.Errorf("%s, process %d: %#x is in the dump: %v; reading says %v", name, p.PID, uint64(va), ok, err)
			}
			delete(listed, uint64(va))
			if n, err := d.File.ReadAt(got[:], off); ok && (n < len(got) && err != nil || got != want) {
				t.Errorf("%s, process %d: %#x has other bytes, or %v", name, p.PID, uint64(va), err)
			}
		}
	}
	for va := range listed {
		if _, err := p.Tables().Translate(paging.Virt(va)); err != nil {
			t.Errorf("%s, process %d: %#x is in the dump, and no page table maps it", name, p.PID, va)
		}
	}
}

// TestMinidumpModules: the modules are the modules that the loader or the kernel has loaded for the process. Their
// headers, symbol files and versions are the executables'.
func TestMinidumpModules(t *testing.T) {
	for name, sys := range dumpedSystems(t) {
		im := openMemory(t, buildMemory(t, sys), Options{})
		p := processOf(t, im, 368)
		var want, got []string
		found, _ := p.Modules()
		for _, m := range found {
			want = append(want, fmt.Sprintf("%#x %#x %s", m.Found.Base, m.Found.Size, m.Found.Listed().Path))
		}
		for _, m := range minidumpOf(t, p).Dump.Modules {
			got = append(got, fmt.Sprintf("%#x %#x %s", m.Base, m.Size, m.Name))
			file := strings.ToLower(m.Name[strings.LastIndexByte(m.Name, '\\')+1:])
			if !bytes.HasPrefix(m.CodeView, []byte("RSDS")) || m.TimeDateStamp == 0 || !bytes.Contains(m.CodeView, []byte(".pdb")) {
				t.Errorf("%s: %s: stamp %#x, record %q", name, file, m.TimeDateStamp, m.CodeView)
			}
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") || len(got) != 2 {
			t.Errorf("%s: modules\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func processOf(t *testing.T, im *Image, pid uint64) *Process {
	t.Helper()
	list, _ := im.Processes()
	for _, p := range list {
		if p.PID == pid {
			return p
		}
	}
	t.Fatalf("there is no process %d", pid)
	return nil
}

// TestMinidumpRegions: the regions come from the descriptors; memory that nobody has committed is reserved.
func TestMinidumpRegions(t *testing.T) {
	for name, sys := range dumpedSystems(t) {
		im := openMemory(t, buildMemory(t, sys), Options{})
		d := minidumpOf(t, processOf(t, im, 400)).Dump
		want := mdmp.Region{Start: 0x500000, Len: 0x1000, Allocation: 0x500000, AllocatedAs: 0x40, State: mdmp.Commit, Protect: 0x40, Type: mdmp.Private}
		behind := mdmp.Region{Start: 0x501000, Len: 0x3000, Allocation: 0x500000, AllocatedAs: 0x40, State: mdmp.Reserve, Type: mdmp.Private}
		found, images := 0, 0
		for _, r := range d.Regions {
			if r == want || r == behind {
				found++
			}
			if r.Type == mdmp.Image && r.State == mdmp.Commit && r.Start == r.Allocation {
				images++
			}
		}
		if found != 2 || images != 2 {
			t.Errorf("%s: %d images, and %+v", name, images, d.Regions)
		}
		if d.System.Processors != 1 || d.System.Product != 1 || d.System.Build != sys.Profile.Version().Build || d.Process.ID != 400 || d.Process.Created.IsZero() {
			t.Errorf("%s: %+v %+v", name, d.System, d.Process)
		}
		for _, text := range []string{"Process 400, ", "only in the mapped file", "Threads: 4 of 5 could be told. 1 have"} {
			if !strings.Contains(d.Comment, text) {
				t.Errorf("%s: the comment does not say %q:\n%s", name, text, d.Comment)
			}
		}
	}
}

// TestMinidumpsOfReferences: the dump of each process of reference images has all pages that are present. All threads
// of a real system are found, most with the place from which programs call the system.
func TestMinidumpsOfReferences(t *testing.T) {
	if testing.Short() {
		t.Skip("whole images")
	}
	for _, name := range []string{"ReactOS0413x86", "Win10x64_19041-store"} {
		im := openReference(t, name, Options{})
		list, _ := im.Processes()
		threads, located, calls := 0, 0, map[paging.Virt]int{}
		for _, p := range list {
			if p.CheckMinidump() != nil {
				continue
			}
			checkMinidumpMemory(t, name, p, minidumpOf(t, p))
			found, err := p.FindThreads()
			if name == "ReactOS0413x86" && (err != nil || uint64(len(found)) != p.Threads) {
				t.Errorf("process %d: %d of %d threads, %v", p.PID, len(found), p.Threads, err)
			}
			for _, f := range found {
				threads++
				if f.Registers != nil {
					located++
					calls[f.Registers.IP]++
				}
			}
		}
		if name == "ReactOS0413x86" && (threads != 90 || located != 89 || len(calls) > 3) {
			t.Errorf("%d threads, %d with registers, at %v", threads, located, calls)
		}
	}
}
