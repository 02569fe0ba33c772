package nt

import (
	"encoding/binary"
	"testing"

	"memlens/memimage/synth/corpus"
)

// hostileStore is a kernel with memory full of some words, and a tree that leads back into itself.
func hostileStore(t testing.TB, name string, words ...uint64) *Kernel {
	const size = 20 << 20
	f := newFlat(t, name, size)
	p := f.base + 0x8000
	for off := 0x4000; off < size; off += 8 {
		binary.LittleEndian.PutUint64(f.mem[off:], words[off/8%len(words)])
	}
	f.k.Base, f.k.imageSize = f.base+0x20000, 18<<20
	head := f.at(f.k.Base, 0)[:0x1000]
	clear(head)
	copy(head, "MZ")
	head[0x3c] = 0x80
	copy(head[0x80:], "PE\x00\x00\x64\x86\x01\x00")
	head[0x94] = 0xf0
	copy(head[0x98:], "\x0b\x02")
	binary.LittleEndian.PutUint32(head[0x98+32:], 0x1000)
	binary.LittleEndian.PutUint32(head[0x98+36:], 0x200)
	binary.LittleEndian.PutUint32(head[0x98+56:], 18<<20)
	binary.LittleEndian.PutUint32(head[0x98+60:], 0x400)
	binary.LittleEndian.PutUint32(head[0x98+108:], 16)
	s := head[0x98+0xf0:]
	copy(s, ".data")
	binary.LittleEndian.PutUint32(s[8:], 17<<20)
	binary.LittleEndian.PutUint32(s[12:], 0x1000)
	binary.LittleEndian.PutUint32(s[36:], 0xc0000040)
	inner, leaf := f.at(p, 0)[:0x1000], f.at(p, 0x1000)[:0x1000]
	clear(inner[:16])
	binary.LittleEndian.PutUint16(inner, 254)
	binary.LittleEndian.PutUint64(inner[8:], uint64(p))
	for i := range 254 {
		binary.LittleEndian.PutUint32(inner[16+16*i:], uint32(i)<<20)
		binary.LittleEndian.PutUint64(inner[24+16*i:], uint64(p+0x1000))
	}
	binary.LittleEndian.PutUint16(leaf, 510)
	leaf[3] = 1
	for i := range 510 {
		binary.LittleEndian.PutUint32(leaf[16+8*i:], uint32(i))
		binary.LittleEndian.PutUint32(leaf[20+8*i:], uint32(i))
	}
	return f.k
}

// TestHostileStoreCost: kernel data full of words that look like SmGlobals leads nowhere, and the search ends after a
// number of pointers.
func TestHostileStoreCost(t *testing.T) {
	corpus.Long(t)
	const other = 0xffff900000008008 // looks like a pointer into pool
	for _, words := range [][]uint64{{other}, {1 | 1<<32, other}} {
		k := hostileStore(t, "Win11x64_22621.382", words...)
		n := 0
		for s := range k.dataSections(storeSection) {
			n += s.size
		}
		if n != maxStoreData {
			t.Fatalf("%#x bytes of data", n)
		}
		if c := k.WithPageFiles().CompressedStore(); c != nil {
			t.Errorf("%#x: %v", words, c)
		}
	}
}
