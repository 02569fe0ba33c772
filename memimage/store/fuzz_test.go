package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/sparse"
)

// FuzzTree looks keys up in a node of any bytes, and compares with a search from its first entry.
func FuzzTree(f *testing.F) {
	b := build(f, system(f, "Win10x64_19041.2846"), whole)
	g := b.open(f)
	root, err := g.node(g.root)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(root.bytes, uint32(0x20001f05), true)
	f.Add(root.bytes, uint32(0), false)
	f.Fuzz(func(t *testing.T, page []byte, key uint32, wide bool) {
		if len(page) > pageSize {
			return
		}
		page = append(page, make([]byte, pageSize-len(page))...)
		pointer := 4
		if wide {
			pointer = 8
		}
		d, err := newNode(form{pointer}, page)
		if err != nil {
			return
		}
		want := -1
		for i := range d.n {
			if d.key(i) <= key {
				want = i
			}
		}
		got := d.last(key)
		if got != want {
			t.Errorf("key %#x: entry %d, want %d of %d", key, got, want, d.n)
		}
		if !d.leaf {
			d.child(got)
		} else if got >= 0 {
			d.value(got)
		}
	})
}

// pages is a memory of single pages, some of which were changed.
type pages map[paging.Virt][]byte

func (p pages) ReadVirt(b []byte, va paging.Virt) (int, error) {
	for done := 0; done < len(b); {
		at := va + paging.Virt(done)
		page, ok := p[at&^(pageSize-1)]
		if !ok || at < va {
			return done, &paging.FaultError{VA: at, Size: 1}
		}
		done += copy(b[done:], page[at%pageSize:])
	}
	return len(b), nil
}

func (p pages) Translate(va paging.Virt) (paging.Page, error) {
	page, ok := p[va&^(pageSize-1)]
	if !ok {
		return paging.Page{}, &paging.FaultError{VA: va, Size: 1}
	}
	return paging.Page{VA: va &^ (pageSize - 1), Size: pageSize, Src: sparse.Bytes(page)}, nil
}

// touched notes which pages of a memory are read, in their order.
type touched struct {
	Memory
	pages pages
	order *[]paging.Virt
}

func (r touched) ReadVirt(b []byte, va paging.Virt) (int, error) {
	for at := va &^ (pageSize - 1); at < va+paging.Virt(len(b)); at += pageSize {
		if _, ok := r.pages[at]; ok {
			continue
		}
		page := make([]byte, pageSize)
		if _, err := r.Memory.ReadVirt(page, at); err == nil {
			r.pages[at] = page
			*r.order = append(*r.order, at)
		}
	}
	return r.Memory.ReadVirt(b, va)
}

// FuzzStore changes bytes of the pages that lead to the pages of a store: its trees, structures, chunks, records and
// regions. The result is a page or a hole, the same by every way of reading it.
func FuzzStore(f *testing.F) {
	b := build(f, system(f, "Win10x64_19041.2846"), whole)
	all := pages{}
	var order []paging.Virt
	recorded := b.system
	recorded.Kernel = touched{b.system.Kernel, all, &order}
	recorded.Owner = func(at paging.Virt) (Memory, error) {
		m, err := b.system.Owner(at)
		return touched{m, all, &order}, err
	}
	g, err := Open(recorded, b.globals(), b.layouts)
	if err != nil {
		f.Fatal(err)
	}
	var keys []uint32
	buf := make([]byte, pageSize)
	for _, p := range b.Truth.Store.Pages {
		keys = append(keys, p.Key)
		_, err := g.Page(p.Key, buf)
		var lost *LostError
		if err != nil && !errors.As(err, &lost) {
			f.Fatal(err)
		}
	}
	for i := range order {
		f.Add(binary.LittleEndian.AppendUint32([]byte{byte(i), 0, 8, 0}, 0xffffffff))
		f.Add([]byte{byte(i), 0, 0, 0, 0xff, 0xff, byte(i), 0, 2, 0, 1, 1})
	}
	f.Fuzz(func(t *testing.T, patches []byte) {
		changed := pages{}
		for at, page := range all {
			changed[at] = page
		}
		for n := 0; len(patches) >= 6 && n < 64; n++ {
			at := order[int(binary.LittleEndian.Uint16(patches))%len(order)]
			page := append([]byte(nil), changed[at]...)
			off := int(binary.LittleEndian.Uint16(patches[2:])) % (pageSize - 1)
			copy(page[off:], patches[4:6])
			changed[at] = page
			patches = patches[6:]
		}
		checkChanged(t, b, changed, keys)
	})
}

func checkChanged(t *testing.T, b *built, memory pages, keys []uint32) {
	s := b.system
	s.Kernel = memory
	s.Owner = func(at paging.Virt) (Memory, error) {
		if uint64(at) != b.Truth.Store.EPROCESS {
			return nil, fmt.Errorf("%#x is no process", uint64(at))
		}
		return memory, nil
	}
	g, err := Open(s, b.globals(), b.layouts)
	if err != nil {
		return
	}
	src, buf, again := NewSource(g, 2), make([]byte, pageSize), make([]byte, pageSize)
	for _, key := range keys {
		off := int64(key&(1<<28-1)) * pageSize
		_, probed := src.Probe(off)
		n, err := src.ReadAt(buf, off)
		if (probed == nil) != (err == nil) || err == nil && n != pageSize || err != nil && !sparse.IsHole(err) {
			t.Fatalf("key %#x: %d bytes, %v; Probe: %v", key, n, err, probed)
		}
		if _, err := g.Page(key, again); err == nil && string(buf) != string(again) {
			t.Fatalf("key %#x: other bytes when it is asked for again", key)
		}
	}
}

// FuzzRegion unpacks any bytes. It compares LZ4 with a decoder in this test; plain LZ77 is compared with another
// decoder in its own package.
func FuzzRegion(f *testing.F) {
	f.Add([]byte("\x1fa\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xd9\x50aaaaa"), false)
	f.Add([]byte("\xff\xff\xff\x7f\x00\x07\x00\x0f\xff\xfc\x0f"), true)
	f.Fuzz(func(t *testing.T, data []byte, plain bool) {
		if len(data) >= pageSize {
			return
		}
		dst := make([]byte, pageSize)
		if plain {
			_ = Xpress.unpack(dst, data)
			return
		}
		err := LZ4.unpack(dst, data)
		if want, ok := slowLZ4(data, pageSize); ok != (err == nil) || ok && string(want) != string(dst) {
			t.Errorf("%x: %v; the slow decoder: %v", data, err, ok)
		}
	})
}
