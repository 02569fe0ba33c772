package nt

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// entryAt writes an entry with a pool block's header before it; its names lie behind it.
func (f *flat) entryAt(va, base paging.Virt, size uint32, name string) {
	l, p := driverEntryLayout(f.k.kernel.pointer), profile.Offset(f.k.kernel.pointer)
	unit := 2 * int(p)
	header, blocks := f.at(va, profile.Offset(-unit)), (unit+l.end+2*len(name)+unit)/unit
	copy(header[4:], driverTag)
	if p == 8 {
		header[2], header[3] = byte(blocks), 2
	} else {
		binary.LittleEndian.PutUint16(header[2:], uint16(blocks)|1<<9)
	}
	f.ptr(va, l.base, base)
	f.ptr(va, l.entryPoint, base)
	f.u32(va, l.size, size)
	for i, c := range name {
		f.at(va, profile.Offset(l.end+2*i))[0] = byte(c)
	}
	for _, off := range []profile.Offset{l.path, l.name} {
		binary.LittleEndian.PutUint16(f.at(va, off), uint16(2*len(name)))
		binary.LittleEndian.PutUint16(f.at(va, off+2), uint16(2*len(name)))
		f.ptr(va, off+p, va+paging.Virt(l.end))
	}
}

// ring makes a list of a head and entries.
func (f *flat) ring(list ...paging.Virt) {
	p := profile.Offset(f.k.kernel.pointer)
	for i, va := range list {
		next := list[(i+1)%len(list)]
		f.ptr(va, 0, next)
		f.ptr(next, p, va)
	}
}

// driverFlat is a flat with the head of a list of drivers at 0x4000, and no processes.
func driverFlat(t testing.TB, name string, size int) *flat {
	f := newFlat(t, name, size)
	f.k.debugger = f.debugger(map[profile.Offset]paging.Virt{kdbgPsLoadedModuleList: f.base + 0x4000,
		kdbgMmUnloadedDrivers: f.base + 0x4020, kdbgMmLastUnloaded: f.base + 0x4028})
	f.k.PsActiveProcessHead = f.base + 0x4040
	f.ptr(f.k.PsActiveProcessHead, 0, f.k.PsActiveProcessHead)
	f.ptr(f.k.PsActiveProcessHead, profile.Offset(f.k.kernel.pointer), f.k.PsActiveProcessHead)
	return f
}

// fresh makes the flat read bytes that were written since.
func (f *flat) fresh() *Kernel {
	f.k.cache = sparse.NewCache(f.k.mem, 256)
	return f.k
}

// TestEndlessDriverLists: a list of more entries than there can be, each claiming 1 GiB, ends in short time.
func TestEndlessDriverLists(t *testing.T) {
	corpus.Long(t)
	for _, name := range []string{"WinXPSP2x86", "Win7SP1x64"} {
		f := driverFlat(t, name, 4<<20)
		list := []paging.Virt{f.base + 0x4000}
		for i := range maxDrivers + 100 {
			va := f.base + 0x5000 + paging.Virt(i)*0x100 + 0x20
			f.entryAt(va, f.base+0x400000+paging.Virt(i)*pageSize, maxDriver, "a.sys")
			list = append(list, va)
		}
		f.ring(list...)
		start := time.Now()
		listed, damage := listedDrivers(f.fresh())
		if len(listed) != maxDrivers || len(damage) == 0 {
			t.Errorf("%s: %d drivers, %v", name, len(listed), damage)
		}
		if listed[len(listed)-1].Kind != DriverNoImage || listed[len(listed)-1].Damage == nil {
			t.Errorf("%s: the last driver is %+v", name, listed[len(listed)-1])
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
	}
}

// TestMemoryFullOfDrivers: memory that holds nothing but entries is not searched without end, and the error says so.
func TestMemoryFullOfDrivers(t *testing.T) {
	for _, name := range []string{"WinXPSP2x86", "Win7SP1x64"} {
		f := driverFlat(t, name, 4<<20)
		f.ring(f.base + 0x4000)
		for va := f.base + 0x5020; va < f.base+4<<20-0x100; va += 0x100 {
			f.entryAt(va, f.base+0x400000+(va-f.base)<<8, 0x1000, "a.sys")
			f.ptr(va, 0, f.base+0x4000)
			f.ptr(va, profile.Offset(f.k.kernel.pointer), f.base+0x4000)
		}
		start := time.Now()
		got, err := f.fresh().ScanDrivers(context.Background(), nil)
		if len(got) != maxDrivers || err == nil {
			t.Errorf("%s: %d drivers, %v", name, len(got), err)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
	}
}

// TestLongDriverNames: a name that is too long for a file is damage, and not read.
func TestLongDriverNames(t *testing.T) {
	f := driverFlat(t, "Win7SP1x64", 1<<20)
	f.entryAt(f.base+0x5020, f.base+0x80000, 0x1000, "a.sys")
	binary.LittleEndian.PutUint16(f.at(f.base+0x5020, driverEntryLayout(8).path), 0xfffe)
	f.ring(f.base+0x4000, f.base+0x5020)
	listed, damage := listedDrivers(f.fresh())
	if len(listed) != 1 || damage != nil || listed[0].Path != "" || listed[0].Name != "a.sys" || listed[0].Damage == nil {
		t.Errorf("drivers %+v, %v", listed[0], damage)
	}
}

// FuzzDrivers: with any contents of memory, lists and scans end, name each driver once, and report only possible
// values.
func FuzzDrivers(f *testing.F) {
	const size = 1 << 17
	for i, name := range []string{"WinXPSP2x86", "Win7SP1x64"} {
		fl := driverFlat(f, name, size)
		list := []paging.Virt{fl.base + 0x4000}
		for j, name := range []string{"one.sys", "two.sys", "three.sys"} {
			va := fl.base + 0x5020 + paging.Virt(j)*0x200
			fl.entryAt(va, fl.base+0x10000+paging.Virt(j)*0x4000, 0x3000, name)
			list = append(list, va)
		}
		fl.ring(list...)
		fl.entryAt(fl.base+0x6020, fl.base+0x1c000, 0x2000, "hidden.sys")
		fl.ring(fl.base+0x4000, list[2])
		fl.ptr(fl.base+0x4020, 0, fl.base+0x7000)
		for _, base := range []paging.Virt{0x10000, 0x18000, 0x1c000} {
			exe := program(fl.k.Profile, name)
			copy(fl.mem[base:], exe.File[:0x400])
		}
		f.Add(uint8(i), fl.mem[0x4000:])
	}
	f.Fuzz(func(t *testing.T, kind uint8, mem []byte) {
		fl := driverFlat(t, []string{"WinXPSP2x86", "Win7SP1x64"}[kind%2], size)
		copy(fl.mem[0x4000:], mem)
		k := fl.fresh()
		entries := map[paging.Phys]bool{}
		take := func(d *Driver) {
			if entries[d.EntryPA] && d.EntryPA != 0 || !k.plausibleDriver(d) || d.Kind.String() == "" {
				t.Fatalf("driver %+v", d)
			}
			entries[d.EntryPA] = true
			if (d.Space.Tables == nil) != (d.Space.Complete == nil) || d.Kind == DriverLoaded && d.Space.Tables == nil {
				t.Fatalf("driver %+v", d)
			}
		}
		listed, _ := listedDrivers(k)
		for _, d := range listed {
			take(d)
		}
		scanned, err := k.ScanDrivers(t.Context(), nil)
		if err != nil && len(scanned) == 0 {
			t.Fatal(err)
		}
		for _, d := range scanned {
			take(d)
		}
		if unloaded, _ := k.UnloadedDrivers(); len(unloaded) > maxUnloaded {
			t.Fatalf("%d drivers were unloaded", len(unloaded))
		}
	})
}

// BenchmarkScanDrivers is the sweep of 1 GiB that repeats a small system.
func BenchmarkScanDrivers(b *testing.B) {
	l := newLab(b, driverSystem(b, "Win7SP1x64"))
	busy := make([]byte, 32<<20)
	if _, err := l.built.Reader.ReadAt(busy, 0); err != nil {
		b.Fatal(err)
	}
	const size = 1 << 30
	mem, err := sparse.NewReader(size, sparse.Extent{Len: size, Src: sparse.Whole(repeat(busy), size)})
	if err != nil {
		b.Fatal(err)
	}
	s := l.whole.newDriverScan()
	b.SetBytes(size)
	for b.Loop() {
		if err := sweep(context.Background(), mem, stretch{0, size, sweepChunk}, s.look, func([]driverHit) bool { return true }, nil); err != nil {
			b.Fatal(err)
		}
	}
}
