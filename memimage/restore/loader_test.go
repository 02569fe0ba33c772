package restore

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"memlens/memimage/sparse"
)

// program is an executable in memory as Windows lays it out and changes it. It reads headers with
// debug/pe, and so does not share its idea of them with the package.
type program struct {
	t        testing.TB
	file     []byte
	pe       *pe.File
	plus     bool
	base     uint64 // as linked
	load     uint64
	vista    bool
	dirs     []pe.DataDirectory
	mapped   map[int64][]byte // the image section's pages by RVA
	own      map[int64][]byte // the process's own pages
	size     int64
	rng      *rand.Rand
	resolved uint64 // the next address of an imported function
}

// loadProgram maps a file: at the base it was linked for, or elsewhere.
func loadProgram(t testing.TB, file []byte, vista bool, load uint64) *program {
	t.Helper()
	f, err := pe.NewFile(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, file: file, pe: f, vista: vista, mapped: map[int64][]byte{}, own: map[int64][]byte{}, resolved: 0x7c801000}
	headers := uint32(0)
	switch o := f.OptionalHeader.(type) {
	case *pe.OptionalHeader32:
		p.base, p.size, headers, p.dirs = uint64(o.ImageBase), int64(o.SizeOfImage), o.SizeOfHeaders, o.DataDirectory[:]
	case *pe.OptionalHeader64:
		p.base, p.size, headers, p.dirs, p.plus = o.ImageBase, int64(o.SizeOfImage), o.SizeOfHeaders, o.DataDirectory[:], true
	}
	if p.load = load; load == 0 {
		p.load = p.base
	}
	p.mapPages(0, int64(headers), file[:headers])
	for _, s := range f.Sections {
		size := s.VirtualSize
		if size == 0 {
			size = s.Size
		}
		var raw []byte
		if s.Offset != 0 {
			raw = file[s.Offset:min(s.Offset+s.Size, uint32(len(file)))]
		}
		p.mapPages(int64(s.VirtualAddress), int64(size), raw)
	}
	p.relocate()
	return p
}

// mapPages gives n bytes of address space pages, filled with raw as far as that goes.
func (p *program) mapPages(rva, n int64, raw []byte) {
	for at := int64(0); at < n; at += pageSize {
		page := make([]byte, pageSize)
		if at < int64(len(raw)) {
			copy(page, raw[at:])
		}
		p.mapped[rva+at] = page
	}
}

// relocate moves the program: the kernel the shared pages (and tells so in the header), or, before
// Vista, the loader the process's own.
func (p *program) relocate() {
	delta := p.load - p.base
	dir := p.dirs[dirReloc]
	table := make([]byte, dir.Size)
	p.readAt(table, int64(dir.VirtualAddress))
	if delta == 0 {
		return
	}
	write := p.write
	if p.vista {
		write = p.writeShared
		at := int64(binary.LittleEndian.Uint32(p.file[60:])) + 24
		if p.plus {
			write(at+24, binary.LittleEndian.AppendUint64(nil, p.load))
		} else {
			write(at+28, binary.LittleEndian.AppendUint32(nil, uint32(p.load)))
		}
	}
	for len(table) >= 8 {
		page, size := binary.LittleEndian.Uint32(table), binary.LittleEndian.Uint32(table[4:])
		for e := table[8:size]; len(e) >= 2; e = e[2:] {
			v := binary.LittleEndian.Uint16(e)
			rva, b := int64(page)+int64(v&0xfff), make([]byte, 8)
			switch v >> 12 {
			case 0:
				continue
			case 3:
				p.readAt(b[:4], rva)
				write(rva, binary.LittleEndian.AppendUint32(nil, binary.LittleEndian.Uint32(b)+uint32(delta)))
			case 10:
				p.readAt(b, rva)
				write(rva, binary.LittleEndian.AppendUint64(nil, binary.LittleEndian.Uint64(b)+delta))
			default:
				p.t.Fatalf("relocation type %d", v>>12)
			}
		}
		table = table[size:]
	}
}

// page returns the page at rva as the process sees it.
func (p *program) page(rva int64) []byte {
	if own := p.own[rva]; own != nil {
		return own
	}
	return p.mapped[rva]
}

func (p *program) readAt(b []byte, rva int64) {
	for len(b) > 0 {
		n := copy(b, p.page(rva &^ (pageSize - 1))[rva%pageSize:])
		b, rva = b[n:], rva+int64(n)
	}
}

// write is a write by the process: it gets its own copy of the pages.
func (p *program) write(rva int64, b []byte) {
	for len(b) > 0 {
		at := rva &^ (pageSize - 1)
		if p.own[at] == nil {
			p.own[at] = bytes.Clone(p.mapped[at])
		}
		n := copy(p.own[at][rva%pageSize:], b)
		b, rva = b[n:], rva+int64(n)
	}
}

// writeShared is a write by the kernel.
func (p *program) writeShared(rva int64, b []byte) {
	for len(b) > 0 {
		n := copy(p.mapped[rva&^(pageSize-1)][rva%pageSize:], b)
		b, rva = b[n:], rva+int64(n)
	}
}

func (p *program) pointer(v uint64) []byte {
	b := binary.LittleEndian.AppendUint64(nil, v)
	if !p.plus {
		b = b[:4]
	}
	return b
}

func (p *program) thunk(rva int64) uint64 {
	b := make([]byte, 8)
	p.readAt(b[:len(p.pointer(0))], rva)
	return binary.LittleEndian.Uint64(b)
}

func (p *program) u32(rva int64) uint32 {
	var b [4]byte
	p.readAt(b[:], rva)
	return binary.LittleEndian.Uint32(b[:])
}

// bind resolves the imports, as the loader does; bound ones only when stale.
func (p *program) bind(stale bool) *program {
	dir := p.dirs[dirImport]
	for d := int64(dir.VirtualAddress); dir.VirtualAddress != 0 && p.u32(d+12) != 0; d += 20 {
		if p.u32(d+4) != 0 && !stale {
			continue
		}
		iat, names := int64(p.u32(d+16)), int64(p.u32(d))
		if names == 0 {
			names = iat
		}
		for p.thunk(names) != 0 {
			n := int64(len(p.pointer(0)))
			p.resolved += 0x123
			p.write(iat, p.pointer(p.resolved))
			iat, names = iat+n, names+n
		}
	}
	return p
}

// resolveDelayed resolves the first delayed import.
func (p *program) resolveDelayed() *program {
	d := int64(p.dirs[dirDelay].VirtualAddress)
	p.write(int64(p.u32(d+8)), p.pointer(0x66600000))  // the module handle
	p.write(int64(p.u32(d+12)), p.pointer(0x66601230)) // the first thunk
	return p
}

// fillSlots sets the pointers of section .00cfg and the security cookie, as the loader and the program do.
func (p *program) fillSlots() *program {
	cfg := p.pe.Section(".00cfg")
	if cfg == nil {
		return p
	}
	n := uint32(len(p.pointer(0)))
	for at := uint32(0); at < cfg.VirtualSize; at += n {
		p.write(int64(cfg.VirtualAddress+at), p.pointer(0x77ed_0000+uint64(at)*16))
	}
	p.write(int64(p.pe.Section(".data").VirtualAddress+n), p.pointer(0x1badcafe))
	return p
}

// run writes n numbers to writable sections, addresses in and outside the image among them.
func (p *program) run(n int) *program {
	for range n {
		s := p.pe.Sections[p.rng.IntN(len(p.pe.Sections))]
		if s.Characteristics&scnWrite == 0 || s.VirtualSize <= 8 {
			continue
		}
		v := []uint64{0, p.load + uint64(p.rng.IntN(int(p.size))), p.rng.Uint64(), p.base + 0x1234}[p.rng.IntN(4)]
		p.write(int64(s.VirtualAddress)+p.rng.Int64N(int64(s.VirtualSize)-8), p.pointer(v))
	}
	return p
}

// sources says which sources a test's image has. Each holds the RVAs, or the file offsets, of the
// pages that are there; nil is none.
type sources struct {
	mapped, own, file func(page int64) bool
	processOnly       bool // shared pages are known as the process's only
	fileSize          bool
}

func all(int64) bool { return true }

// input returns the program as a restoration gets it.
func (p *program) input(s sources) Input {
	in := Input{PageCount: int(p.size / pageSize), LoadBase: p.load, KernelRelocates: p.vista}
	in.ByRVA = func(rva uint32) []Page {
		var c []Page
		if page := p.mapped[int64(rva)]; page != nil && s.mapped != nil && s.mapped(int64(rva)) {
			base := p.base
			if p.vista {
				base = p.load
			}
			c = append(c, Page{Kind: Mapped, Src: sparse.Bytes(page), Phys: 0x100000 + int64(rva), Base: base})
		}
		own := p.own[int64(rva)]
		if own == nil && s.processOnly {
			own = p.mapped[int64(rva)]
		}
		if own != nil && s.own != nil && s.own(int64(rva)) {
			c = append(c, Page{Kind: Private, Src: sparse.Bytes(own), Phys: 0x200000 + int64(rva), Base: p.load})
		}
		return append(c, Page{Kind: Missing, Label: "in page file 0, which is not given", Phys: -1})
	}
	if s.file != nil {
		in.ByFileOffset = func(off int64) []Page {
			if off < 0 || off >= int64(len(p.file)) || !s.file(off) {
				return nil
			}
			page := make([]byte, pageSize)
			copy(page, p.file[off:])
			return []Page{{Kind: FileBytes, Src: sparse.Bytes(page), Phys: 0x300000 + off}}
		}
	}
	if s.fileSize {
		in.FileSize = int64(len(p.file))
	}
	return in
}

// check verifies what a result promises: rows cover the file, missing rows cannot be read, exact
// rows are the file's bytes, and every byte that differs lies in a row that says so.
func check(t testing.TB, file []byte, r *Result) {
	t.Helper()
	if r.Reader.Size() != int64(len(file)) {
		t.Fatalf("size %#x, want %#x", r.Reader.Size(), len(file))
	}
	var off int64
	for _, row := range r.Rows {
		if row.FileOffset != off || row.Length <= 0 {
			t.Fatalf("row at %#x+%#x after %#x", row.FileOffset, row.Length, off)
		}
		b, want := make([]byte, row.Length), file[off:off+row.Length]
		off += row.Length
		n, err := r.Reader.ReadAt(b, row.FileOffset)
		if row.Kind == Missing {
			if gap, ok := err.(sparse.Gap); n != 0 || !ok || gap.Gap() < row.Length {
				t.Fatalf("missing row %+v: read %d bytes, %v", row, n, err)
			}
			continue
		}
		if n != len(b) {
			t.Fatalf("row %+v: %v", row, err)
		}
		if row.Exact() && !bytes.Equal(b, want) {
			i := 0
			for b[i] == want[i] {
				i++
			}
			t.Fatalf("row %+v: byte %#x is %#x, want %#x", row, row.FileOffset+int64(i), b[i], want[i])
		}
	}
	if base := linkedBase(t, file); r.BaseCertainty == Exact && r.ImageBase != base {
		t.Fatalf("base %#x is said to be proved (%s), it is %#x", r.ImageBase, r.Proof, base)
	}
	if off != int64(len(file)) {
		t.Fatalf("rows end at %#x of %#x", off, len(file))
	}
}

// linkedBase returns the base that a file was linked for.
func linkedBase(t testing.TB, file []byte) uint64 {
	f, err := pe.NewFile(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := f.OptionalHeader.(*pe.OptionalHeader32); ok {
		return uint64(o.ImageBase)
	}
	return f.OptionalHeader.(*pe.OptionalHeader64).ImageBase
}

// same reports whether the result is the file, digest for digest.
func same(file []byte, r *Result) bool {
	b := make([]byte, r.Reader.Size())
	n, _ := r.Reader.ReadAt(b, 0)
	return n == len(b) && bytes.Equal(b, file)
}
