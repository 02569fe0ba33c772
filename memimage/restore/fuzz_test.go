package restore

import (
	"bytes"
	"encoding/binary"
	"testing"

	"memlens/memimage/sparse"
)

// memoryOf is an input with the pages of mem and no others, as the image section's or the process's.
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
	for rva := int64(0); rva < p.Size; rva += pageSize {
		page := p.Page(rva)
		if page == nil {
			page = make([]byte, pageSize)
		}
		mem = append(mem, page...)
	}
	return mem
}

// FuzzRestore restores from hostile images: every result covers the file and can be read.
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

// FuzzImports puts hostile import and delay import tables into a program with bound imports.
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

// FuzzLoadConfig puts a hostile load configuration and TLS directory into a program with filled slots, and compares
// it with the original by these tables.
func FuzzLoadConfig(f *testing.F) {
	original := programFile(f, "guard64")
	p := loadProgram(f, original, true, movedBase("guard64")).bind(true).fillSlots()
	var mem []byte
	for rva := int64(0); rva < p.Size; rva += pageSize {
		mem = append(mem, p.Page(rva)...)
	}
	f.Add(mem[0x2000:0x2140], uint32(0x2000), uint32(0))
	f.Add(mem[0x2000:0x2140], uint32(0x2ff0), uint32(0x4ffc))
	f.Add(bytes.Repeat([]byte{0xff}, 0x140), uint32(0x2000), uint32(0x2000))
	f.Fuzz(func(t *testing.T, data []byte, config, tls uint32) {
		hostile := bytes.Clone(mem)
		copy(hostile[0x2000:], data)
		for _, b := range [][]byte{hostile, original} {
			b = bytes.Clone(b)
			dirs := b[binary.LittleEndian.Uint32(b[60:])+24+112:]
			binary.LittleEndian.PutUint32(dirs[8*dirLoadConfig:], config)
			binary.LittleEndian.PutUint32(dirs[8*dirTLS:], tls)
			for _, r := range causesOf(t, file(b), file(b), p.Load).Slots {
				if r.Off < 0 || r.Len <= 0 || r.Off+r.Len > int64(len(b)) {
					t.Fatalf("%+v", r)
				}
			}
			copy(hostile, b[:0x400])
		}
		r, err := Restore(memoryOf(hostile, Private, true))
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range r.Rows {
			if row.SlotsLeft < 0 || row.Exact() {
				t.Fatalf("%+v", row)
			}
		}
		if n, err := r.Reader.ReadAt(make([]byte, r.Reader.Size()), 0); err != nil {
			t.Fatalf("read %#x: %v", n, err)
		}
	})
}

// FuzzStubs puts hostile code into a program with resolved delayed imports: a thunk is put back only where one stub
// names it.
func FuzzStubs(f *testing.F) {
	for _, name := range []string{"delay32", "delay64"} {
		file := programFile(f, name)
		f.Add(name == "delay64", file[0x400:0x600])
	}
	f.Fuzz(func(t *testing.T, plus bool, code []byte) {
		name := map[bool]string{false: "delay32", true: "delay64"}[plus]
		original := programFile(t, name)
		copy(original[0x400:0x600], code)
		p := loadProgram(t, original, false, 0).bind(true)
		iat := int64(p.U32(int64(p.Dirs[dirDelay].VirtualAddress) + 12))
		p.resolveDelayed()
		r, err := Restore(p.input(sources{own: all, mapped: func(rva int64) bool { return p.Own[rva] == nil || rva == 0x1000 }}))
		if err != nil {
			t.Fatal(err)
		}
		data := p.PE.Section(".data")
		got := make([]byte, len(p.Pointer(0)))
		if n, err := r.Reader.ReadAt(got, int64(data.Offset)+iat-int64(data.VirtualAddress)); n < len(got) {
			t.Fatal(err)
		}
		stub := get(got) - p.Base
		if get(got) == 0x66601230 {
			return // left as found
		}
		text := p.Mapped[0x1000]
		if stub < 0x1000 || stub >= 0x1200 || text[stub-0x1000] != 0xb8 && text[stub-0x1000] != 0x48 {
			t.Fatalf("the thunk is said to have held %#x", get(got))
		}
	})
}

// FuzzBound puts a hostile bound import directory into a program with bound imports.
func FuzzBound(f *testing.F) {
	mem := memory(f, "delay32", false)
	good := []byte{1, 2, 3, 4, 0x18, 0, 1, 0, 1, 2, 3, 4, 0x18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	f.Add(append(good, "kernel32.dll\x00"...), uint32(0x2100))
	f.Add(bytes.Repeat([]byte{1, 0, 0, 0, 1, 0, 0xff, 0xff}, 64), uint32(0x2100))
	f.Fuzz(func(t *testing.T, data []byte, bound uint32) {
		hostile := bytes.Clone(mem)
		copy(hostile[0x2100:], data)
		header := binary.LittleEndian.Uint32(hostile[60:])
		dirs := hostile[header+24+96:]
		binary.LittleEndian.PutUint32(dirs[8*dirBound:], bound)
		binary.LittleEndian.PutUint32(hostile[binary.LittleEndian.Uint32(dirs[8*dirImport:])+4:], 0xffffffff)
		in := memoryOf(hostile, Private, false)
		asked := 0
		in.Module = func(string) (Module, bool) {
			asked++
			return Module{Base: 0x7c800000, ImageBase: 0x7c800000, Size: 1 << 20, TimeDateStamp: 0x04030201}, true
		}
		if _, err := Restore(in); err != nil {
			t.Fatal(err)
		}
		if asked > maxDescriptors+2*maxBound {
			t.Fatalf("asked %d times", asked)
		}
	})
}
