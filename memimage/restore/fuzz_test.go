package restore

import (
	"bytes"
	"encoding/binary"
	"memlens/memimage/sparse"
	"testing"
)

// memoryOf is an input whose image section, or process, has the pages of mem and no others.
func memoryOf(mem []byte, kind Kind, vista bool) Input {
	return Input{
		PageCount: 64, LoadBase: 0x10ab0000, KernelRelocates: vista,
		ByRVA: func(rva uint32) []Page {
			if int64(rva) >= int64(len(mem)) {
				return nil
			}
			page := make([]byte, pageSize)
			copy(page, mem[rva:])
			return []Page{{Kind: kind, Src: sparse.Bytes(page), Phys: int64(rva), Base: 0x10ab0000}}
		},
	}
}

// memory returns the image of a program in one piece, moved and bound.
func memory(t testing.TB, name string, vista bool) []byte {
	p := loadProgram(t, programFile(t, name), vista, movedBase(name)).bind(true)
	var mem []byte
	for rva := int64(0); rva < p.size; rva += pageSize {
		page := p.page(rva)
		if page == nil {
			page = make([]byte, pageSize)
		}
		mem = append(mem, page...)
	}
	return mem
}

// FuzzRestore restores from hostile images: whatever comes out covers the file and can be read.
func FuzzRestore(f *testing.F) {
	for _, name := range programs {
		f.Add(memory(f, name, false), uint8(Private), false)
		f.Add(memory(f, name, true), uint8(Mapped), true)
	}
	f.Fuzz(func(t *testing.T, mem []byte, kind uint8, vista bool) {
		r, err := Restore(memoryOf(mem, Kind(kind%uint8(Missing)), vista))
		if err != nil {
			return
		}
		var end int64
		b := make([]byte, pageSize)
		for i, row := range r.Rows {
			if row.FileOffset != end || row.Length <= 0 {
				t.Fatalf("row %d is %#x+%#x after %#x", i, row.FileOffset, row.Length, end)
			}
			end += row.Length
			n, err := r.Reader.ReadAt(b[:min(pageSize, row.Length)], row.FileOffset)
			if present := row.Kind != Missing; present != (err == nil) || present != (n > 0) {
				t.Fatalf("row %+v: read %d, %v", row, n, err)
			}
		}
		if end != r.Reader.Size() {
			t.Fatalf("rows end at %#x of %#x", end, r.Reader.Size())
		}
	})
}

// FuzzRelocations applies a hostile table to a page as the loader does, in its order, and undoes it.
func FuzzRelocations(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 16, 0, 0, 0, 0x10, 0x30, 0x12, 0x30, 0, 0xa1, 0, 0}, uint64(0x12340000))
	f.Add([]byte{0, 0, 0, 0, 18, 0, 0, 0, 0x10, 0x10, 0x20, 0x20, 0x30, 0x40, 0xcd, 0xab, 0x31, 0x40}, uint64(0xfff0abc0000))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0}, uint64(1))
	f.Fuzz(func(t *testing.T, table []byte, delta uint64) {
		var r relocations
		r.parse(table, true)
		var page, moved [pageSize]byte
		for i := range page {
			page[i] = byte(i * 31)
		}
		moved = page
		slots := r.page(0)
		for _, s := range slots {
			if at := int(s.rva); at+s.width() <= pageSize {
				add(moved[at:at+s.width()], s, delta)
			}
		}
		for i := len(slots) - 1; i >= 0; i-- {
			if at := int(slots[i].rva); at+slots[i].width() <= pageSize {
				subtract(moved[at:at+slots[i].width()], slots[i].amount(delta))
			}
		}
		if moved != page {
			t.Error("undone is not as before")
		}
	})
}

// add relocates one slot as LdrProcessRelocationBlock does.
func add(b []byte, s slot, delta uint64) {
	put16 := binary.LittleEndian.PutUint16
	switch s.typ {
	case relHigh:
		put16(b, uint16((uint32(binary.LittleEndian.Uint16(b))<<16+uint32(delta))>>16))
	case relLow:
		put16(b, uint16(uint32(binary.LittleEndian.Uint16(b))+uint32(delta)))
	case relHighAdj:
		v := uint32(binary.LittleEndian.Uint16(b)) << 16
		v += uint32(int32(s.param))
		v += uint32(delta)
		v += 0x8000
		put16(b, uint16(v>>16))
	case relHighLow:
		binary.LittleEndian.PutUint32(b, binary.LittleEndian.Uint32(b)+uint32(delta))
	case relDir64:
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)+delta)
	}
}

// FuzzImports puts hostile import and delay import tables into a program whose imports are bound.
func FuzzImports(f *testing.F) {
	mem := memory(f, "delay32", false)
	f.Add(mem[0x2000:0x2100], uint32(0x206d), uint32(0x2000))
	f.Add(bytes.Repeat([]byte{0, 0x20, 0, 0}, 64), uint32(0x2000), uint32(0x2000))
	f.Fuzz(func(t *testing.T, data []byte, imports, delayed uint32) {
		hostile := bytes.Clone(mem)
		copy(hostile[0x2000:], data)
		dirs := hostile[binary.LittleEndian.Uint32(hostile[60:])+24+96:]
		binary.LittleEndian.PutUint32(dirs[8*dirImport:], imports)
		binary.LittleEndian.PutUint32(dirs[8*dirDelay:], delayed)
		r, err := Restore(memoryOf(hostile, Private, false))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := r.Reader.ReadAt(make([]byte, r.Reader.Size()), 0); err != nil {
			t.Fatalf("read %#x: %v", n, err)
		}
	})
}
