package nt

import (
	"fmt"
	"reflect"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// TestLoader32 compares the offsets of WoW64's structures with the x86 profiles of all versions.
func TestLoader32(t *testing.T) {
	n := 0
	for p := range profile.Builtin().All() {
		if p.Arch() != profile.X86 {
			continue
		}
		var l layout
		if err := p.Bind(&l); err != nil {
			t.Fatal(err)
		}
		got := (&Kernel{Version: p.Version()}).loader32()
		want := newLoaderForm(&l.Ldr, l.String.Length, l.String.Buffer, 4)
		if !reflect.DeepEqual(got, want) || l.PEB.Ldr != peb32Ldr {
			t.Errorf("%s: %+v, want %+v, Ldr at %#x", p.Name(), got.loaderLayout, want.loaderLayout, l.PEB.Ldr)
		}
		n++
	}
	if n < 20 {
		t.Errorf("only %d profiles", n)
	}
}

// TestThreeLists has modules that are in some lists only, and a list that is damaged beside two that are not.
func TestThreeLists(t *testing.T) {
	for _, name := range kinds {
		f := newFlat(t, name, 1<<20)
		l := &f.l.Ldr
		ldr := f.alloc(0x100)
		m := []paging.Virt{f.module(0x10000, "a"), f.module(0x20000, "b"), f.module(0x30000, "c")}
		f.link(ldr+paging.Virt(l.InLoadOrder), l.Links, m[:2])
		f.link(ldr+paging.Virt(l.InMemoryOrder), l.MemoryLinks, []paging.Virt{m[1], m[0]})
		f.link(ldr+paging.Virt(l.InInitOrder), l.InitLinks, []paging.Virt{m[2], m[1]})
		e := &Environment{ldr: ldr, memory: f.k.kernel}
		read := func() string {
			lists := e.Loader(f.k)
			checkLoader(t, lists)
			out := ""
			for _, e := range lists.Entries {
				out += fmt.Sprint(e.Path, e.Places, " ")
			}
			return out + fmt.Sprint(len(lists.Errs()), lists.Complete)
		}
		if got, want := read(), "a[0 1 -1] b[1 0 1] c[-1 -1 0] 0 [true true true]"; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		f.ptr(ldr, l.InLoadOrder, m[1]+paging.Virt(l.Links)) // the way forward does not come to a any more
		if got, want := read(), "b[0 0 1] a[-1 1 -1] c[-1 -1 0] 1 [true true true]"; got != want {
			t.Errorf("%s, taken out of the way forward: %s, want %s", name, got, want)
		}
		f.ptr(ldr, l.InLoadOrder, m[0]+paging.Virt(l.Links))
		f.ptr(m[1], l.MemoryLinks, 0x1230)
		if got, want := read(), "a[0 1 -1] b[1 0 1] c[-1 -1 0] 1 [true false true]"; got != want {
			t.Errorf("%s, damaged: %s, want %s", name, got, want)
		}
		if e.ldr = 0; read() != "3 [false false false]" {
			t.Errorf("%s: lists at 0: %s", name, read())
		}
	}
}

// FuzzLoader takes any bytes for the lists.
func FuzzLoader(f *testing.F) {
	f.Add(uint8(0), []byte{}, uint16(0))
	f.Add(uint8(3), []byte{0x10, 0x40, 0, 0, 0, 0x90, 0xff, 0xff}, uint16(8))
	f.Add(uint8(0), []byte{0, 0x40, 0, 0x81, 0x40, 0x40, 0, 0x81}, uint16(0x10))
	f.Fuzz(func(t *testing.T, kind uint8, mem []byte, ldr uint16) {
		fl := newFlat(t, kinds[int(kind)%len(kinds)], 1<<15)
		for i := 0x4000; i < len(fl.mem) && len(mem) > 0; i += len(mem) {
			copy(fl.mem[i:], mem)
		}
		e := &Environment{ldr: fl.base + 0x4000 + paging.Virt(ldr)%0x4000, memory: fl.k.kernel}
		checkLoader(t, e.Loader(fl.k))
		m := memory{fl.k.kernel.space, 4}
		checkLoader(t, readLoader(m, fl.k.loader32(), e.ldr, []LoaderOrder{LoadOrder, MemoryOrder, InitOrder}))
	})
}
