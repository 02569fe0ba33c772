package synth

import "encoding/binary"

// PE describes a portable executable to be written: sections in order, each at the next aligned address, then the
// sections with imports, exports, the debug record and base relocations. The zero values of the alignments are 0x1000
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

// Import lists the imports from one DLL: names, or ordinals written "#17".
type Import struct {
	DLL   string
	Names []string
}

// Export is one exported name.
type Export struct {
	Name string
	RVA  uint32
}

// RSDS is a CodeView 7.0 record: it names the PDB file that belongs to the executable.
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

// RVA is the address of Sections[i] or, if i is their number, the address behind them.
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

func put32(b []byte, off int, v uint32) { binary.LittleEndian.PutUint32(b[off:], v) }

// putN writes the low n bytes of v.
func putN(b []byte, off int, v uint64, n int) {
	copy(b[off:off+n], binary.LittleEndian.AppendUint64(nil, v))
}
