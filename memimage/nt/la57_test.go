package nt

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/synth"
)

// fiveLevels is a system with five levels of page tables, and its own kernel executable.
func fiveLevels(t testing.TB) synth.System {
	s := system(t, "Win2022x64_20348.2400")
	s.Paging, s.RAM, s.Lowest = synth.LA57, 64<<20, 0x8000
	s.Identity = &synth.RSDS{PDB: "ntkrla57.pdb", Age: 1}
	s.Drivers = []synth.Driver{{Name: "one.sys", Image: synth.NewProgram(synth.Program{Name: "one.sys", Bits: 64, DLL: true})}}
	high := synth.NewProgram(synth.Program{Name: "high.exe", Bits: 64, Base: 0x00f0000000010000})
	s.Processes = append(s.Processes, synth.Process{PID: 2000, Name: "high.exe", Image: high})
	return s
}

// TestFiveLevels: the same results are read from a system with five levels of page tables as from one with four.
func TestFiveLevels(t *testing.T) {
	l := newLab(t, fiveLevels(t))
	k := l.whole
	checkFound(t, l, k)
	if k.Mode != paging.X64LA57 || k.Mode.UserSpace() != 1<<56 {
		t.Errorf("found in the mode %s", k.Mode.Name)
	}
	scanned, err := k.Scan(context.Background(), nil)
	if err != nil || len(scanned) != 2 {
		t.Errorf("a scan finds %d processes, %v", len(scanned), err)
	}
	for p, err := range k.Processes() {
		if err != nil {
			t.Fatal(err)
		}
		if p.PID != 2000 {
			continue
		}
		env, err := p.Environment(p.Space())
		if err != nil || env.ImageBase != 0x00f0000000010000 {
			t.Fatalf("environment %+v, %v", env, err)
		}
		head := make([]byte, 2)
		if _, err := p.Space().ReadVirt(head, env.ImageBase); err != nil || string(head) != "MZ" {
			t.Errorf("%q, %v", head, err)
		}
		if v, ok := p.VAD(env.ImageBase); !ok || v.Start != env.ImageBase || !v.Image {
			t.Errorf("address descriptor %+v, %v", v, ok)
		}
		found, errs := p.FindModules()
		if len(found) != 1 || !found[0].Main || len(errs) > 0 {
			t.Errorf("%d modules, %v", len(found), errs)
		}
	}
	names := ""
	for d, err := range k.Drivers() {
		if err != nil {
			t.Error(err)
			continue
		}
		names += d.Name + " "
	}
	if !strings.Contains(names, "one.sys") {
		t.Errorf("drivers: %s", names)
	}
}

// TestFiveLevelsWithoutTheKernel: the kernel's headers and debugger data are missing, or only its export directory.
func TestFiveLevelsWithoutTheKernel(t *testing.T) {
	l := newLab(t, fiveLevels(t))
	l.cut(l.built.Truth.Kernel.Base)
	l.cut(l.built.Truth.Kernel.KDBG)
	k := l.kernel()
	if k.SystemProcess != l.whole.SystemProcess || k.DTB() != l.whole.DTB() || !strings.Contains(strings.Join(k.Found, "\n"), "a search of physical memory") {
		t.Errorf("found %#x, %q", uint64(k.SystemProcess), k.Found)
	}
	for va, want := range map[paging.Virt]bool{0xff11000000000000: true, 0xffff800000000000: true, 0xfe00000000000000: false, 0x00ff000000000000: false} {
		if got := inKernelSpace(paging.ArchX64, va); got != want {
			t.Errorf("%#x is in the kernel's part: %v", uint64(va), got)
		}
	}
	image := kernelImage{}
	image.Identity.PDB = "ntkrla57.pdb"
	if name, ok := executableOf(image.Identity.PDB); !image.isKernel() || !ok || name != "ntkrla57.exe" {
		t.Errorf("the kernel for five levels is called %q", name)
	}
}

// TestShadowOfTheSanitizer maps memory as a kernel with KASAN does: 16 TiB of shadow memory, nearly all one page of
// zeros through tables that are shared, and gaps in the kernel's own range filled likewise. The search must take no
// longer.
func TestShadowOfTheSanitizer(t *testing.T) {
	s := system(t, "Win11x64_26100")
	s.RAM = 64 << 20
	s.Lowest = 16 << 20
	l := newLab(t, s)
	const zero, table, directory, pointers = 0x100000, 0x101000, 0x102000, 0x103000
	fill := func(entry uint64) []byte {
		var b []byte
		for range 512 {
			b = binary.LittleEndian.AppendUint64(b, entry)
		}
		return b
	}
	l.writePhys(zero, make([]byte, pageSize))
	l.writePhys(table, fill(zero|0x8000000000000121))
	l.writePhys(directory, fill(table|0x63))
	l.writePhys(pointers, fill(directory|0x63))
	fillGaps := func(pa int64, from, to int, entry uint64) {
		b := make([]byte, pageSize)
		if _, err := l.memory().ReadAt(b, pa); err != nil {
			t.Fatal(err)
		}
		for i := from; i < to; i++ {
			if binary.LittleEndian.Uint64(b[8*i:]) == 0 {
				binary.LittleEndian.PutUint64(b[8*i:], entry)
			}
		}
		l.writePhys(pa, b)
	}
	kernel := l.whole.Mode.Arch.Kernel.From
	fillGaps(int64(l.whole.DTB()), 0x110, 0x130, pointers|0x63)
	fillGaps(l.tableOf(paging.Virt(l.built.Truth.Kernel.Base), 1), 0, 512, directory|0x63)
	if page, err := paging.NewSpace(l.whole.Mode, l.memory(), l.whole.DTB(), nil).Translate(kernel + 0x7000000000); err != nil || page.Off != zero {
		t.Fatalf("the shadow is not mapped: %+v, %v", page, err)
	}
	f := newFinder(l.memory(), l.options)
	k, err := f.find(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	checkFound(t, l, k)
	if spent := maxWork - f.work.left; spent > 1<<21 {
		t.Errorf("it took %d units of work", spent)
	}
	if scanned, err := k.Scan(context.Background(), nil); err != nil || len(scanned) != 2 {
		t.Errorf("a scan finds %d processes, %v", len(scanned), err)
	}
	drivers := 0
	for _, err := range k.Drivers() {
		if drivers++; err != nil {
			t.Error(err)
		}
	}
	if drivers == 0 {
		t.Error("no drivers")
	}
}
