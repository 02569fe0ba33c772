// Package loaded lays executables out in memory as Windows does, for tests of the code that reads them there. It
// reads headers with debug/pe, and relocations by itself, and so shares no code with the code under test.
//
// It imports nothing of the project.
package loaded

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"testing"
)

const pageSize = 0x1000

// dirReloc is IMAGE_DIRECTORY_ENTRY_BASERELOC.
const dirReloc = 5

// Program is an executable in memory. Addresses of pages are RVAs.
type Program struct {
	T      testing.TB
	Raw    []byte // the file
	PE     *pe.File
	Plus   bool   // of 64 bits
	Base   uint64 // as linked
	Load   uint64 // its address in memory
	Vista  bool   // the kernel relocates, and writes the new base into the header
	Dirs   [16]pe.DataDirectory
	Mapped map[int64][]byte // the image section's pages
	Own    map[int64][]byte // the process's own pages
	Size   int64            // SizeOfImage
}

// New maps a file at an address; 0 stands for the address that it was linked for.
func New(t testing.TB, raw []byte, vista bool, load uint64) *Program {
	t.Helper()
	f, err := pe.NewFile(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	p := &Program{T: t, Raw: raw, PE: f, Vista: vista, Mapped: map[int64][]byte{}, Own: map[int64][]byte{}}
	headers := uint32(0)
	switch o := f.OptionalHeader.(type) {
	case *pe.OptionalHeader32:
		p.Base, p.Size, headers, p.Dirs = uint64(o.ImageBase), int64(o.SizeOfImage), o.SizeOfHeaders, o.DataDirectory
	case *pe.OptionalHeader64:
		p.Base, p.Size, headers, p.Dirs, p.Plus = o.ImageBase, int64(o.SizeOfImage), o.SizeOfHeaders, o.DataDirectory, true
	}
	if p.Load = load; load == 0 {
		p.Load = p.Base
	}
	p.mapPages(0, int64(headers), raw[:headers])
	for _, s := range f.Sections {
		size := s.VirtualSize
		if size == 0 {
			size = s.Size
		}
		var data []byte
		if s.Offset != 0 {
			data = raw[s.Offset:min(s.Offset+s.Size, uint32(len(raw)))]
		}
		p.mapPages(int64(s.VirtualAddress), int64(size), data)
	}
	p.relocate()
	return p
}

// mapPages gives n bytes of address space pages, filled with raw as far as that goes.
func (p *Program) mapPages(rva, n int64, raw []byte) {
	for at := int64(0); at < n; at += pageSize {
		page := make([]byte, pageSize)
		if at < int64(len(raw)) {
			copy(page, raw[at:])
		}
		p.Mapped[rva+at] = page
	}
}

// relocate moves the program. The kernel relocates the shared pages, and writes the new base into the header; before
// Vista the loader relocates the process's own pages.
func (p *Program) relocate() {
	delta := p.Load - p.Base
	if delta == 0 {
		return
	}
	write := p.Write
	if p.Vista {
		write = p.WriteShared
		write(p.BaseAt(), p.Pointer(p.Load))
	}
	table := p.Read(int64(p.Dirs[dirReloc].VirtualAddress), int(p.Dirs[dirReloc].Size))
	for len(table) >= 8 {
		page, size := int64(binary.LittleEndian.Uint32(table)), binary.LittleEndian.Uint32(table[4:])
		for e := table[8:size]; len(e) >= 2; e = e[2:] {
			v := binary.LittleEndian.Uint16(e)
			switch rva := page + int64(v&0xfff); v >> 12 {
			case 0:
			case 3:
				write(rva, binary.LittleEndian.AppendUint32(nil, binary.LittleEndian.Uint32(p.Read(rva, 4))+uint32(delta)))
			case 10:
				write(rva, binary.LittleEndian.AppendUint64(nil, binary.LittleEndian.Uint64(p.Read(rva, 8))+delta))
			default:
				p.T.Fatalf("relocation type %d", v>>12)
			}
		}
		table = table[size:]
	}
}

// BaseAt returns the RVA of ImageBase.
func (p *Program) BaseAt() int64 {
	at := int64(binary.LittleEndian.Uint32(p.Raw[60:])) + 24
	if p.Plus {
		return at + 24
	}
	return at + 28
}

// Page returns the page at an RVA as the process sees it; nil if there is none.
func (p *Program) Page(rva int64) []byte {
	if own := p.Own[rva]; own != nil {
		return own
	}
	return p.Mapped[rva]
}

// Read returns n bytes as the process sees them.
func (p *Program) Read(rva int64, n int) []byte {
	b := make([]byte, n)
	for i := 0; i < n; {
		page := p.Page((rva + int64(i)) &^ (pageSize - 1))
		if page == nil {
			p.T.Fatalf("no page at %#x", rva+int64(i))
		}
		i += copy(b[i:], page[(rva+int64(i))%pageSize:])
	}
	return b
}

// Write is a write by the process: it gets its own copy of the pages.
func (p *Program) Write(rva int64, b []byte) {
	for len(b) > 0 {
		at := rva &^ (pageSize - 1)
		if p.Own[at] == nil {
			p.Own[at] = bytes.Clone(p.Mapped[at])
		}
		n := copy(p.Own[at][rva%pageSize:], b)
		b, rva = b[n:], rva+int64(n)
	}
}

// WriteShared is a write by the kernel.
func (p *Program) WriteShared(rva int64, b []byte) {
	for len(b) > 0 {
		n := copy(p.Mapped[rva&^(pageSize-1)][rva%pageSize:], b)
		b, rva = b[n:], rva+int64(n)
	}
}

// Pointer writes a pointer of the program's width.
func (p *Program) Pointer(v uint64) []byte {
	b := binary.LittleEndian.AppendUint64(nil, v)
	if !p.Plus {
		b = b[:4]
	}
	return b
}

// Thunk reads a pointer.
func (p *Program) Thunk(rva int64) uint64 {
	var b [8]byte
	copy(b[:], p.Read(rva, len(p.Pointer(0))))
	return binary.LittleEndian.Uint64(b[:])
}

// U32 reads a number of 32 bits.
func (p *Program) U32(rva int64) int64 { return int64(binary.LittleEndian.Uint32(p.Read(rva, 4))) }
