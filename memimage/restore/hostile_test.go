package restore

import (
	"encoding/binary"
	"runtime"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// hostileHeader is a header of 65535 sections. Each claims 4 GiB of file and of memory.
func hostileHeader(sections int) []byte {
	h := make([]byte, 0x400+sections*sectionHeaderSize+pageSize)
	copy(h, bigProgram()[:0x400])
	binary.LittleEndian.PutUint16(h[0x86:], uint16(sections))
	binary.LittleEndian.PutUint32(h[0x80+24+56:], 0xffffffff)
	for i := range sections {
		s := h[0x80+24+224+i*sectionHeaderSize:]
		binary.LittleEndian.PutUint32(s[8:], 0xfffff000)
		binary.LittleEndian.PutUint32(s[12:], uint32(i))
		binary.LittleEndian.PutUint32(s[16:], 0xfffff000)
		binary.LittleEndian.PutUint32(s[20:], uint32(i)<<16|0x400)
	}
	return h
}

// TestHugeClaims restores an image of 65535 sections of 4 GiB, with every page present.
func TestHugeClaims(t *testing.T) {
	corpus.Long(t)
	h := hostileHeader(65535)
	page := sparse.Bytes(make([]byte, pageSize))
	in := Input{PageCount: 1 << 20, LoadBase: 0x400000, ByRVA: func(rva uint32) []Page {
		if int(rva)+pageSize <= len(h) {
			return []Page{{Kind: Mapped, Src: sparse.Bytes(h), Off: int64(rva)}}
		}
		return []Page{{Kind: Private, Src: page}}
	}}
	for _, file := range []func(int64) []Page{nil, func(int64) []Page { return []Page{{Src: page}} }} {
		in.ByFileOffset, in.FileSize = file, 0
		if file != nil {
			in.FileSize = 1 << 50
			in.ByFileOffset = func(off int64) []Page {
				if off+pageSize <= int64(len(h)) {
					return []Page{{Src: sparse.Bytes(h), Off: off}}
				}
				return file(off)
			}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := Restore(in)
		if err != nil {
			t.Fatal(err)
		}
		runtime.GC() // only live memory counts, not garbage that a busy machine has not collected yet
		runtime.ReadMemStats(&after)
		if used := after.HeapAlloc - before.HeapAlloc; after.HeapAlloc > before.HeapAlloc && used > 256<<20 {
			t.Errorf("%d MiB used", used>>20)
		}
		if n := len(r.Rows); n > 4*maxPages {
			t.Errorf("%d rows", n)
		}
		if want := max(int64(0xffff<<16), in.FileSize); r.Reader.Size() < want {
			t.Errorf("size %#x", r.Reader.Size())
		}
	}
}

// TestEndlessTables has tables that go on for ever or point at themselves.
func TestEndlessTables(t *testing.T) {
	file := programFile(t, "reloc32")
	for _, directory := range []int{dirImport, dirDelay, dirReloc} {
		mem := memory(t, "reloc32", false)
		dirs := mem[binary.LittleEndian.Uint32(mem[60:])+24+96:]
		binary.LittleEndian.PutUint32(dirs[8*directory:], 0x2000)
		binary.LittleEndian.PutUint32(dirs[8*directory+4:], 0xffffffff)
		for i := 0x2000; i < 0x3000; i += 4 {
			binary.LittleEndian.PutUint32(mem[i:], 0x2000)
		}
		in := memoryOf(mem, Private, false)
		in.PageCount = 1 << 20
		byRVA := in.ByRVA
		in.ByRVA = func(rva uint32) []Page {
			if rva < 0x3000 {
				return byRVA(rva)
			}
			return byRVA(0x2000) // the same page for ever
		}
		r, err := Restore(in)
		if err != nil {
			t.Fatal(err)
		}
		if r.Reader.Size() != int64(len(file)) {
			t.Errorf("directory %d: size %#x", directory, r.Reader.Size())
		}
	}
}
