package nt

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
	"memlens/memimage/synth"
)

func named(t testing.TB, name string) *profile.Profile {
	t.Helper()
	p, err := profile.Builtin().ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// lab is a built system with memory that can be damaged.
type lab struct {
	t       testing.TB
	sys     synth.System
	built   *synth.Memory
	whole   *Kernel // of the memory before any damage
	damage  []sparse.Extent
	options Options
}

func newLab(t testing.TB, sys synth.System) *lab {
	t.Helper()
	m, err := synth.Build(sys)
	if err != nil {
		t.Fatal(err)
	}
	exact := func(profile.Identity, profile.Version) (*profile.Profile, error) { return sys.Profile, nil }
	l := &lab{t: t, sys: sys, built: m, options: Options{Profiles: profile.Builtin(), Symbols: exact}}
	if l.whole, err = l.find(); err != nil {
		t.Fatal(err)
	}
	return l
}

// memory is the built memory with the damage done to it.
func (l *lab) memory() *sparse.Reader {
	size := l.built.Reader.Size()
	extents := append([]sparse.Extent{{Len: size, Src: l.built.Reader}}, l.damage...)
	r, err := sparse.NewReader(size, slices.DeleteFunc(sparse.Overlay(extents...), func(e sparse.Extent) bool { return e.Src == hole })...)
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

// hole marks a range that is cut out.
var hole sparse.Source = new(noBytes)

type noBytes struct{ _ int }

func (*noBytes) Size() int64                       { return 1 << 62 }
func (*noBytes) Probe(int64) (int64, error)        { panic("a hole is probed") }
func (*noBytes) ReadAt([]byte, int64) (int, error) { panic("a hole is read") }

func (l *lab) find() (*Kernel, error) { return Find(context.Background(), l.memory(), l.options) }

// kernel is the kernel of the damaged memory.
func (l *lab) kernel() *Kernel {
	l.t.Helper()
	k, err := l.find()
	if err != nil {
		l.t.Fatal(err)
	}
	return k
}

func (l *lab) pa(va uint64) int64 {
	l.t.Helper()
	page, err := l.whole.Space.Translate(paging.Virt(va))
	if err != nil {
		l.t.Fatal(err)
	}
	return page.Off + int64(va) - int64(page.VA)
}

// write changes memory at an address of the system, writePhys at a physical address.
func (l *lab) write(va uint64, b []byte) { l.t.Helper(); l.writePhys(l.pa(va), b) }

func (l *lab) writePhys(pa int64, b []byte) {
	l.damage = append(l.damage, sparse.Extent{Off: pa, Len: int64(len(b)), Src: sparse.Bytes(bytes.Clone(b))})
}

// writePtr writes a pointer, cut removes the page at an address of the system.
func (l *lab) writePtr(va, v uint64) {
	l.t.Helper()
	l.write(va, binary.LittleEndian.AppendUint64(nil, v)[:l.whole.kernel.pointer])
}

func (l *lab) cut(va uint64) {
	l.t.Helper()
	l.damage = append(l.damage, sparse.Extent{Off: l.pa(va) &^ 0xfff, Len: pageSize, Src: hole})
}

func (l *lab) offset(path string) uint64 {
	l.t.Helper()
	f, ok := l.sys.Profile.Field(path)
	if !ok {
		l.t.Fatalf("%s lacks %s", l.sys.Profile.Name(), path)
	}
	return uint64(f.Offset)
}

// program is an executable for a profile.
func program(p *profile.Profile, name string) *synth.Executable {
	return synth.NewProgram(synth.Program{Name: name, Bits: int(p.Arch().PointerSize()) * 8})
}

// system is a small system with processes of all sorts.
func system(t testing.TB, name string) synth.System {
	p := named(t, name)
	exe := program(p, "one.exe")
	return synth.System{Profile: p, RAM: 32 << 20, Processes: []synth.Process{
		{PID: 368, PPID: 4, Name: "smss.exe", Image: exe},
		{PID: 400, PPID: 368, Name: "csrss.exe", Image: program(p, "two.exe")},
		{PID: 404, PPID: 368, Name: "fifteen_bytes.exe", Image: exe},
		{PID: 1200, PPID: 368, Name: "hidden.exe", Image: exe, Hidden: true},
		{PID: 1204, PPID: 368, Name: "gone.exe", Image: exe, Ghost: true},
		{PID: 1208, PPID: 368, Name: "last.exe", Image: exe},
	}}
}

// kinds are profiles of all forms that structures have: splay tree, AVL table and RTL tree; 32 and 64 bits.
var kinds = []string{"WinXPSP2x86", "Win2003SP2x86", "Win7SP1x86", "Win7SP1x64", "Win10x64_19041"}

// flat is a kernel over a memory that the system maps whole, at one address, to write structures into by hand.
type flat struct {
	t    testing.TB
	k    *Kernel
	l    *layout
	mem  []byte
	base paging.Virt
	next paging.Virt
}

// newFlat returns a flat of size bytes. Its first 16 KiB are page tables.
func newFlat(t testing.TB, name string, size int) *flat {
	t.Helper()
	p := named(t, name)
	f := &flat{t: t, mem: make([]byte, size), l: new(layout)}
	if err := p.Bind(f.l); err != nil {
		t.Fatal(err)
	}
	mode, base, entry := paging.X64, paging.Virt(0xffff900000000000), func(pa uint64, e uint64) { binary.LittleEndian.PutUint64(f.mem[pa:], e) }
	if p.Arch() == profile.X86 {
		mode, base, entry = paging.X86, 0x81000000, func(pa uint64, e uint64) { binary.LittleEndian.PutUint32(f.mem[pa:], uint32(e)) }
		for i := uint64(0); i<<22 < uint64(size); i++ {
			entry(uint64(base>>22)*4+i*4, i<<22|0x81)
		}
	} else {
		entry(0x120*8, 0x1000|1)
		entry(0x1000, 0x2000|1)
		for i := uint64(0); i<<21 < uint64(size); i++ {
			entry(0x2000+i*8, i<<21|0x81)
		}
	}
	r, err := sparse.NewReader(int64(size), sparse.Extent{Len: int64(size), Src: (*liveBytes)(f)})
	if err != nil {
		t.Fatal(err)
	}
	soft, ok := softFormat(p, mode, int64(size), func(string) (uint64, bool) { return 0, false })
	if !ok {
		t.Fatal("no software entries")
	}
	cache := sparse.NewCache(r, 1) // later writes must be seen: reads of one page at a time
	f.base, f.next = base, base+0x4000
	f.k = &Kernel{Profile: p, Mode: mode, mem: r, cache: cache, layout: f.l, soft: soft, Version: p.Version()}
	f.k.Space = paging.NewSpace(mode, r, 0, soft)
	f.k.kernel = memory{f.k.Space, int(p.Arch().PointerSize())}
	return f
}

// liveBytes reads the present contents of a flat's memory.
type liveBytes flat

func (f *liveBytes) ReadAt(p []byte, off int64) (int, error) {
	return sparse.Bytes(f.mem).ReadAt(p, off)
}

func (f *liveBytes) Size() int64 { return int64(len(f.mem)) }

func (f *liveBytes) Probe(off int64) (int64, error) { return sparse.Bytes(f.mem).Probe(off) }

func (f *flat) alloc(n int) paging.Virt {
	va := f.next
	f.next += paging.Virt(n+15) &^ 15
	if int(f.next-f.base) > len(f.mem) {
		f.t.Fatal("the memory is used up")
	}
	return va
}

// at is the memory from a member of a structure on.
func (f *flat) at(va paging.Virt, off profile.Offset) []byte {
	return f.mem[int64(va-f.base)+int64(off):]
}

func (f *flat) ptr(va paging.Virt, off profile.Offset, v paging.Virt) {
	copy(f.at(va, off)[:f.k.kernel.pointer], binary.LittleEndian.AppendUint64(nil, uint64(v)))
}

func (f *flat) u32(va paging.Virt, off profile.Offset, v uint32) {
	binary.LittleEndian.PutUint32(f.at(va, off), v)
}

// field writes an integer or a bit field.
func (f *flat) field(va paging.Virt, m profile.Field, v uint64) {
	if !m.Present() {
		return
	}
	b := f.at(va, profile.Offset(m.Offset))[:m.Size]
	var w [8]byte
	copy(w[:], b)
	old := binary.LittleEndian.Uint64(w[:])
	if m.Bits > 0 {
		mask := uint64(1)<<m.Bits - 1
		v = old&^(mask<<m.BitPos) | v&mask<<m.BitPos
	}
	binary.LittleEndian.PutUint64(w[:], v)
	copy(b, w[:])
}

// process is a process with a tree of descriptors.
func (f *flat) process(root paging.Virt) *Process {
	p := &Process{VA: f.base, PID: 8, kernel: f.k, vadRoot: root}
	p.tables = paging.NewSpace(f.k.Mode, f.k.mem, 0x3000, f.k.soft) // no user pages at all
	p.complete = p.tables.Follow(paging.Sources{Kernel: f.k.Space, Backing: p})
	return p
}
