package synth

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// PE describes a portable executable to be written: sections in order, each at
// the next aligned address, then those that hold imports, exports, the debug
// record and base relocations. The zero values of the alignments are 0x1000
// and 0x200.
type PE struct {
	Bits         int    // 32 or 64
	Base         uint64 // ImageBase
	DLL          bool
	Stamp        uint32 // TimeDateStamp
	Entry        uint32 // AddressOfEntryPoint
	SectionAlign uint32
	FileAlign    uint32
	Sections     []PESection
	Imports      []Import
	ExportName   string   // the name in the export directory
	Exports      []Export // sorted by name when written
	Debug        *RSDS
	Relocs       []uint32 // RVAs of the pointers that loading elsewhere changes
	Overlay      []byte   // after the last section; never mapped
}

// PESection is one section: its bytes in the file and its size in memory.
type PESection struct {
	Name        string
	Data        []byte
	VirtualSize uint32 // 0: len(Data)
	Flags       uint32 // IMAGE_SCN_*
}

// Import is what is taken from one DLL: names, or ordinals written "#17".
type Import struct {
	DLL   string
	Names []string
}

// Export is one exported name.
type Export struct {
	Name string
	RVA  uint32
}

// RSDS is a CodeView 7.0 record: which PDB file belongs to the executable.
type RSDS struct {
	PDB  string
	GUID string // 32 hexadecimal digits, as symbol servers write them
	Age  uint32
}

// Section flags (IMAGE_SCN_*).
const (
	SectionCode     = 0x60000020 // code, execute, read
	SectionReadOnly = 0x40000040 // initialized data, read
	SectionData     = 0xc0000040 // initialized data, read, write
	SectionBSS      = 0xc0000080 // uninitialized data, read, write
	SectionDiscard  = 0x42000040 // initialized data, read, discardable
)

// Where things are in the headers that Bytes writes.
const (
	peOffset      = 0x80
	peHeaderBytes = 4 + 20
	sectionBytes  = 40
)

func (p *PE) ptr() int { return p.Bits / 8 }

func (p *PE) optionalBytes() uint32 {
	if p.Bits == 64 {
		return 0xf0
	}
	return 0xe0
}

func (p *PE) align() uint32     { return orDefault(p.SectionAlign, 0x1000) }
func (p *PE) fileAlign() uint32 { return orDefault(p.FileAlign, 0x200) }

func orDefault(v, def uint32) uint32 {
	if v == 0 {
		return def
	}
	return v
}

func alignUp[T ~uint32 | ~uint64 | ~int](v, to T) T { return (v + to - 1) / to * to }

// headerBytes is SizeOfHeaders for n sections.
func (p *PE) headerBytes(n int) uint32 {
	return alignUp(peOffset+peHeaderBytes+p.optionalBytes()+uint32(n)*sectionBytes, p.fileAlign())
}

// sectionCount is the number of sections that will be written.
func (p *PE) sectionCount() int {
	n := len(p.Sections)
	for _, used := range []bool{len(p.Imports) > 0, len(p.Exports) > 0, p.Debug != nil, len(p.Relocs) > 0} {
		if used {
			n++
		}
	}
	return n
}

// RVA is the address of Sections[i], or, if i is their number, of what follows
// them.
func (p *PE) RVA(i int) uint32 {
	rva := alignUp(p.headerBytes(p.sectionCount()), p.align())
	for _, s := range p.Sections[:i] {
		rva += alignUp(max(s.size(), 1), p.align())
	}
	return rva
}

func (s *PESection) size() uint32 { return orDefault(s.VirtualSize, uint32(len(s.Data))) }

// placed is a section with its addresses.
type placed struct {
	PESection
	rva, raw uint32
}

// directories are the entries of the data directory that PE fills.
type directories [16][2]uint32

const (
	dirExport = 0
	dirImport = 1
	dirReloc  = 5
	dirDebug  = 6
	dirIAT    = 12
)

// Bytes writes the file.
func (p *PE) Bytes() []byte {
	sections, dirs := p.layout()
	end := alignUp(sections[len(sections)-1].rva+max(sections[len(sections)-1].size(), 1), p.align())
	out := make([]byte, p.headerBytes(len(sections)))
	p.putHeaders(out, sections, dirs, end)
	for _, s := range sections {
		if len(s.Data) > 0 {
			out = append(pad(out, int(s.raw)), s.Data...)
			out = pad(out, int(alignUp(uint32(len(out)), p.fileAlign())))
		}
	}
	binary.LittleEndian.PutUint32(out[peOffset+peHeaderBytes+64:], checksum(out))
	return append(out, p.Overlay...)
}

func pad(p []byte, to int) []byte { return append(p, make([]byte, max(0, to-len(p)))...) }

// layout gives every section its place and makes the generated ones.
func (p *PE) layout() ([]placed, directories) {
	l := peLayout{PE: p, rva: p.RVA(0), raw: p.headerBytes(p.sectionCount())}
	for _, s := range p.Sections {
		l.add(s)
	}
	if len(p.Imports) > 0 {
		l.addImports()
	}
	if len(p.Exports) > 0 {
		l.addExports()
	}
	if p.Debug != nil {
		l.addDebug()
	}
	if len(p.Relocs) > 0 {
		data := relocBlocks(p.Relocs, p.Bits)
		l.dirs[dirReloc] = [2]uint32{l.rva, uint32(len(data))}
		l.add(PESection{Name: ".reloc", Data: data, Flags: SectionDiscard})
	}
	return l.sections, l.dirs
}

type peLayout struct {
	*PE
	rva, raw uint32
	sections []placed
	dirs     directories
}

func (l *peLayout) add(s PESection) {
	l.sections = append(l.sections, placed{s, l.rva, l.raw})
	l.rva += alignUp(max(s.size(), 1), l.align())
	l.raw += alignUp(uint32(len(s.Data)), l.fileAlign())
}

// addImports writes the import directory: descriptors, lookup tables, address
// tables (equal to the lookup tables until bound), hints and names.
func (l *peLayout) addImports() {
	ptr := l.ptr()
	thunks := 0
	for _, i := range l.Imports {
		thunks += (len(i.Names) + 1) * ptr
	}
	descriptors := (len(l.Imports) + 1) * 20
	b := make([]byte, descriptors+2*thunks)
	ilt, iat := descriptors, descriptors+thunks
	l.dirs[dirIAT] = [2]uint32{l.rva + uint32(iat), uint32(thunks)}
	for n, i := range l.Imports {
		d := n * 20
		put32(b, d, l.rva+uint32(ilt))
		put32(b, d+12, l.rva+uint32(len(b)))
		put32(b, d+16, l.rva+uint32(iat))
		b = padEven(append(append(b, i.DLL...), 0))
		for _, name := range i.Names {
			thunk := l.thunk(&b, name)
			putN(b, ilt, thunk, ptr)
			putN(b, iat, thunk, ptr)
			ilt, iat = ilt+ptr, iat+ptr
		}
		ilt, iat = ilt+ptr, iat+ptr
	}
	l.dirs[dirImport] = [2]uint32{l.rva, uint32(descriptors)}
	l.add(PESection{Name: ".idata", Data: b, Flags: SectionData})
}

// thunk is the lookup entry of an import; it appends the hint and name.
func (l *peLayout) thunk(b *[]byte, name string) uint64 {
	if ordinal, ok := strings.CutPrefix(name, "#"); ok {
		n, _ := strconv.ParseUint(ordinal, 10, 16)
		return 1<<(l.Bits-1) | n
	}
	rva := uint64(l.rva) + uint64(len(*b))
	*b = padEven(append(append(append(*b, 0, 0), name...), 0))
	return rva
}

func padEven(p []byte) []byte { return append(p, make([]byte, len(p)%2)...) }

// addExports writes the export directory with its three tables and the names.
func (l *peLayout) addExports() {
	exports := slices.SortedFunc(slices.Values(l.Exports), func(a, b Export) int { return strings.Compare(a.Name, b.Name) })
	n := len(exports)
	functions, names, ordinals := 40, 40+4*n, 40+8*n
	b := make([]byte, 40+10*n)
	put32(b, 4, l.Stamp)
	put32(b, 12, l.rva+uint32(len(b)))
	b = append(append(b, l.ExportName...), 0)
	put32(b, 16, 1) // Base
	put32(b, 20, uint32(n))
	put32(b, 24, uint32(n))
	put32(b, 28, l.rva+uint32(functions))
	put32(b, 32, l.rva+uint32(names))
	put32(b, 36, l.rva+uint32(ordinals))
	for i, e := range exports {
		put32(b, functions+4*i, e.RVA)
		put32(b, names+4*i, l.rva+uint32(len(b)))
		binary.LittleEndian.PutUint16(b[ordinals+2*i:], uint16(i))
		b = append(append(b, e.Name...), 0)
	}
	l.dirs[dirExport] = [2]uint32{l.rva, uint32(len(b))}
	l.add(PESection{Name: ".edata", Data: b, Flags: SectionReadOnly})
}

// addDebug writes the debug directory with one CodeView entry.
func (l *peLayout) addDebug() {
	record := l.Debug.bytes()
	b := append(make([]byte, 28), record...)
	put32(b, 4, l.Stamp)
	put32(b, 12, 2) // IMAGE_DEBUG_TYPE_CODEVIEW
	put32(b, 16, uint32(len(record)))
	put32(b, 20, l.rva+28)
	put32(b, 24, l.raw+28)
	l.dirs[dirDebug] = [2]uint32{l.rva, 28}
	l.add(PESection{Name: ".rdata", Data: b, Flags: SectionReadOnly})
}

// bytes is the record as it lies in the file. The first three parts of the
// GUID are little-endian integers, printed big-endian.
func (r *RSDS) bytes() []byte {
	guid, err := hex.DecodeString(r.GUID)
	if err != nil || len(guid) != 16 {
		guid = make([]byte, 16)
	}
	slices.Reverse(guid[0:4])
	slices.Reverse(guid[4:6])
	slices.Reverse(guid[6:8])
	b := append([]byte("RSDS"), guid...)
	b = binary.LittleEndian.AppendUint32(b, r.Age)
	return append(append(b, r.PDB...), 0)
}

// relocBlocks writes .reloc: a block per page, each a multiple of 4 bytes.
func relocBlocks(rvas []uint32, bits int) []byte {
	kind := uint16(3) // IMAGE_REL_BASED_HIGHLOW
	if bits == 64 {
		kind = 10 // IMAGE_REL_BASED_DIR64
	}
	var b []byte
	sorted := slices.Sorted(slices.Values(rvas))
	for len(sorted) > 0 {
		page := sorted[0] &^ 0xfff
		n := 0
		for n < len(sorted) && sorted[n]&^0xfff == page {
			n++
		}
		b = append(b, relocBlock(page, sorted[:n], kind)...)
		sorted = sorted[n:]
	}
	return b
}

func relocBlock(page uint32, rvas []uint32, kind uint16) []byte {
	b := make([]byte, 8, 8+2*len(rvas)+2)
	for _, rva := range rvas {
		b = binary.LittleEndian.AppendUint16(b, kind<<12|uint16(rva&0xfff))
	}
	b = pad(b, alignUp(len(b), 4)) // IMAGE_REL_BASED_ABSOLUTE
	put32(b, 0, page)
	put32(b, 4, uint32(len(b)))
	return b
}

func put32(b []byte, off int, v uint32) { binary.LittleEndian.PutUint32(b[off:], v) }

// putN writes the low n bytes of v.
func putN(b []byte, off int, v uint64, n int) {
	copy(b[off:off+n], binary.LittleEndian.AppendUint64(nil, v))
}

// putHeaders writes the DOS header, its program, the NT headers and the
// section table.
func (p *PE) putHeaders(b []byte, sections []placed, dirs directories, imageSize uint32) {
	le := binary.LittleEndian
	copy(b, "MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00\xb8\x00\x00\x00\x00\x00\x00\x00\x40")
	le.PutUint32(b[0x3c:], peOffset)
	copy(b[0x40:], "\x0e\x1f\xba\x0e\x00\xb4\x09\xcd\x21\xb8\x01\x4c\xcd\x21This program cannot be run in DOS mode.\r\r\n$")
	copy(b[peOffset:], "PE\x00\x00")
	p.putFileHeader(b[peOffset+4:], len(sections))
	p.putOptionalHeader(b[peOffset+peHeaderBytes:], sections, dirs, imageSize)
	at := peOffset + peHeaderBytes + int(p.optionalBytes())
	for _, s := range sections {
		putSectionHeader(b[at:], s, p.fileAlign())
		at += sectionBytes
	}
}

// putFileHeader writes _IMAGE_FILE_HEADER.
func (p *PE) putFileHeader(b []byte, sections int) {
	machine, flags := uint16(0x14c), uint16(0x0102)
	if p.Bits == 64 {
		machine, flags = 0x8664, 0x0022
	}
	if p.DLL {
		flags |= 0x2000
	}
	if len(p.Relocs) == 0 {
		flags |= 0x0001 // IMAGE_FILE_RELOCS_STRIPPED
	}
	le := binary.LittleEndian
	le.PutUint16(b, machine)
	le.PutUint16(b[2:], uint16(sections))
	le.PutUint32(b[4:], p.Stamp)
	le.PutUint16(b[16:], uint16(p.optionalBytes()))
	le.PutUint16(b[18:], flags)
}

// putOptionalHeader writes _IMAGE_OPTIONAL_HEADER or its 64-bit form.
func (p *PE) putOptionalHeader(b []byte, sections []placed, dirs directories, imageSize uint32) {
	le := binary.LittleEndian
	le.PutUint16(b, 0x10b)
	b[2] = 9 // linker 9.0
	put32(b, 4, alignUp(uint32(len(sections[0].Data)), p.fileAlign()))
	put32(b, 16, p.Entry)
	put32(b, 20, sections[0].rva)
	tail := 28
	if p.Bits == 64 {
		le.PutUint16(b, 0x20b)
		tail = 24
	}
	putN(b, tail, p.Base, p.ptr())
	put32(b, 32, p.align())
	put32(b, 36, p.fileAlign())
	le.PutUint16(b[40:], 5)
	le.PutUint16(b[44:], 5)
	le.PutUint16(b[48:], 5)
	put32(b, 56, imageSize)
	put32(b, 60, p.headerBytes(len(sections)))
	le.PutUint16(b[68:], 3) // console
	n := p.ptr()
	for i, v := range []uint64{0x100000, 0x1000, 0x100000, 0x1000} {
		putN(b, 72+i*n, v, n)
	}
	put32(b, 72+4*n+4, uint32(len(dirs)))
	for i, d := range dirs {
		put32(b, 72+4*n+8+8*i, d[0])
		put32(b, 72+4*n+12+8*i, d[1])
	}
}

// putSectionHeader writes _IMAGE_SECTION_HEADER.
func putSectionHeader(b []byte, s placed, fileAlign uint32) {
	copy(b[:8], s.Name)
	put32(b, 8, s.size())
	put32(b, 12, s.rva)
	put32(b, 16, alignUp(uint32(len(s.Data)), fileAlign))
	if len(s.Data) > 0 {
		put32(b, 20, s.raw)
	}
	put32(b, 36, s.Flags)
}

// checksum is the image's checksum as ImageHlp computes it, over a file whose
// CheckSum field is zero.
func checksum(p []byte) uint32 {
	sum := uint32(0)
	for i := 0; i+1 < len(p); i += 2 {
		sum += uint32(binary.LittleEndian.Uint16(p[i:]))
		sum = sum&0xffff + sum>>16
	}
	return sum + uint32(len(p))
}
