package memimage

import (
	"testing"

	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/synth"
)

// TestMinidumpOfDamagedThreads: a list of threads that leads elsewhere ends, and the rest of the process's data stays.
func TestMinidumpOfDamagedThreads(t *testing.T) {
	sys := dumpedSystems(t)["x64"]
	m := buildMemory(t, sys)
	p := processOf(t, openMemory(t, m, Options{}), 400)
	head, ok := sys.Profile.Field("_EPROCESS.Pcb.ThreadListHead")
	if !ok {
		t.Fatal("no list of threads")
	}
	for _, to := range []uint64{0, 0x1000, uint64(p.VA), uint64(p.VA) + 8, 0xffff_ffff_ffff_fff8} {
		im := openMemory(t, &synth.Memory{Reader: withBytes(t, m.Reader, int64(p.PA)+head.Offset, leBytes(to))}, Options{})
		p := processOf(t, im, 400)
		if found, err := p.FindThreads(); err == nil || len(found) > 0 {
			t.Errorf("%#x: %+v, %v", to, found, err)
		}
		if d := minidumpOf(t, p); len(d.Dump.Threads) != 0 || len(d.Dump.Modules) != 2 {
			t.Errorf("%#x: %+v", to, d.Dump)
		}
	}
}

// TestMinidumpThreads: a thread counts when the kernel and the program have the same ids for it; a running thread has
// no registers.
func TestMinidumpThreads(t *testing.T) {
	for name, sys := range dumpedSystems(t) {
		im := openMemory(t, buildMemory(t, sys), Options{})
		p := processOf(t, im, 400)
		found, err := p.FindThreads()
		if err != nil || len(found) != 4 || p.Threads != 5 {
			t.Fatalf("%s: %+v, %v", name, found, err)
		}
		for i, id := range []uint32{608, 612, 620, 624} {
			f := found[i]
			stack := map[uint32]paging.Virt{608: 0x240000, 612: 0x230000, 620: 0x290000, 624: 0x2a0000}[id]
			if id == 624 {
				f.StackLimit, f.StackBase = f.StackLimit+stack, f.StackBase+stack+0x4000 // they are 0
			}
			if f.ID != id || f.TEB != stack+0x4000 || f.StackLimit != stack || f.StackBase != stack+0x4000 || (f.Registers != nil) != (id == 612) {
				t.Errorf("%s: %+v", name, f)
			}
		}
		want := nt.Registers{IP: 0x401234, SP: 0x232000, Flags: 0x246, CS: 0x33, SS: 0x2b}
		if p.Process.Space().Mode().Arch == paging.ArchX86 {
			want.FP, want.CS, want.SS = 0x232040, 0x1b, 0x23
		}
		if r := found[1].Registers; r == nil || *r != want {
			t.Errorf("%s: %+v, want %+v", name, r, want)
		}
		threads := minidumpOf(t, p).Dump.Threads
		if len(threads) != 4 || threads[0].Context != nil || threads[1].Context == nil || threads[1].Stack != 0x232000 || threads[2].TEB != 0x294000 {
			t.Errorf("%s: %+v", name, threads)
		}
	}
}
