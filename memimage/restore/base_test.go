package restore

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"memlens/memimage/sparse"
)

// setDLLFlags sets a file's DllCharacteristics.
func setDLLFlags(file []byte, flags uint16) {
	setCheckSum(file, 0)
	binary.LittleEndian.PutUint16(file[binary.LittleEndian.Uint32(file[60:])+24+70:], flags)
}

// TestBase checks how the original base is found on Vista and later, and how sure it is.
func TestBase(t *testing.T) {
	section := sources{mapped: all}
	const usual, near = "with this one alone the file has the header's CheckSum", "the image lies not far from there"
	tests := []struct {
		name, program string
		change        func(file []byte)
		load          uint64
		sources       sources
		evidence      Evidence
		certainty     Certainty
		words         string
		same          bool
	}{
		{"file's header", "data64", nil, 1, sources{mapped: all, file: func(off int64) bool { return off == 0 }}, FileHeader, Exact, "", true},
		{"a page of data", "data64", nil, 1, sources{mapped: all, file: func(off int64) bool { return off == 0x1000 }}, BothForms, Exact, "16 relocated", true},
		{"a page of data, no header of the section's", "data64", nil, 1, sources{mapped: func(rva int64) bool { return rva != 0 }, own: all, processOnly: true, file: func(off int64) bool { return off == 0x1000 }}, BothForms, Assumed, "16 relocated", true},
		{"checksum and a usual base, PE32", "reloc32", fixCheckSum, 1, section, CheckSum, Assumed, usual, true},
		{"checksum and a usual base, PE32+", "reloc64", fixCheckSum, 1, section, CheckSum, Assumed, usual, true},
		{"checksum and a base that is not usual, PE32", "data32", fixCheckSum, 1, section, NoEvidence, Left, "", false},
		{"checksum and a base that is not usual, PE32+", "data64", fixCheckSum, 1, section, NoEvidence, Left, "", false},
		{"image without relocations, PE32+", "fixed64", fixCheckSum, 0, section, NotMovable, Exact, "", true},
		{"image without relocations, PE32", "fixed32", func(file []byte) { setCheckSum(file, 0) }, 0, section, NotMovable, Exact, "", true},
		{"image without relocations, stale checksum", "fixed64", func(file []byte) { setCheckSum(file, uint32(len(file))+0x4321) }, 0, section, NotMovable, Exact, "", true},
		{"image without relocations, where nobody links", "fixed64", func(file []byte) { setBase(file, 0x123450000) }, 0, section, NotMovable, Assumed, "its header says that it lies where it was linked for", true},
		{"image without relocations, its header from the process", "fixed64", nil, 0, sources{own: all, processOnly: true}, NotMovable, Assumed, "", true},
		{"not linked to be moved", "data32", func(file []byte) { setDLLFlags(file, 0) }, 0, section, NotDynamic, Assumed, "no DYNAMIC_BASE", true},
		{"not linked to be moved, but moved by force", "reloc64", func(file []byte) { setDLLFlags(file, 0) }, 1, section, LinkerDefault, Assumed, "", true},
		{"no checksum", "reloc64", func(file []byte) { setCheckSum(file, 0) }, 1, section, LinkerDefault, Assumed, "", true},
		{"no checksum, PE32", "reloc32", func(file []byte) { setCheckSum(file, 0) }, 1, section, LinkerDefault, Assumed, "", true},
		{"where Windows 7 puts it", "reloc64", func(file []byte) { setBase(file, 0x100000000) }, 0xff230000, section, LinkerDefault, Assumed, near, true},
		{"checksum of a file of another size", "reloc64", func(file []byte) { setCheckSum(file, 0x123) }, 1, section, LinkerDefault, Assumed, "", true},
		{"no checksum, and a base that is not usual", "data32", func(file []byte) { setCheckSum(file, 0) }, 1, section, LinkerDefault, Assumed, "", false},
		{"a page missing", "reloc32", fixCheckSum, 1, sources{mapped: func(rva int64) bool { return rva != 0x1000 }}, LinkerDefault, Assumed, "", false},
		{"no header of the section's", "reloc32", nil, 1, sources{mapped: func(rva int64) bool { return rva != 0 }, own: all, processOnly: true}, LinkerDefault, Assumed, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := programFile(t, tt.program)
			if tt.change != nil {
				tt.change(file)
			}
			load := tt.load
			if load == 1 {
				load = movedBase(tt.program)
			}
			r := restored(t, loadProgram(t, file, true, load).input(tt.sources))
			check(t, file, r)
			if r.BaseEvidence != tt.evidence || r.BaseCertainty != tt.certainty || !strings.Contains(r.Proof, tt.words) {
				t.Errorf("%s, %s: %q; want %s, %s: %q", r.BaseEvidence, r.BaseCertainty, r.Proof, tt.evidence, tt.certainty, tt.words)
			}
			if tt.same != same(file, r) {
				t.Errorf("base %#x, same file: %v", r.ImageBase, same(file, r))
			}
			if r.AllExact() != (tt.certainty == Exact) {
				t.Errorf("complete: %v", r.AllExact())
			}
			if (r.OtherBases == 0) != (tt.certainty != Assumed) {
				t.Errorf("%d other bases, %s", r.OtherBases, r.BaseCertainty)
			}
		})
	}
}

// setBase links a program for another base.
func setBase(file []byte, base uint64) {
	setCheckSum(file, 0)
	at := binary.LittleEndian.Uint32(file[60:]) + 24
	delta := base - binary.LittleEndian.Uint64(file[at+24:])
	w := fileWork(sparse.Bytes(file))
	if err := w.readHeader(); err != nil {
		panic(err)
	}
	w.readRelocations()
	for _, s := range w.relocs.slots {
		off, _, _ := w.fileOffset(int64(s.rva))
		binary.LittleEndian.PutUint64(file[off:], binary.LittleEndian.Uint64(file[off:])+delta)
	}
	binary.LittleEndian.PutUint64(file[at+24:], base)
}

// TestDynamicRelocations names a table of further changes by the kernel in the load configuration: then no page of
// the section is exact, but the file's own pages are.
func TestDynamicRelocations(t *testing.T) {
	for name, at := range map[string]int{"guard32": 0x88, "guard64": 0xe0} {
		file := programFile(t, name)
		rdata := loadProgram(t, file, true, 0).PE.Section(".rdata")
		binary.LittleEndian.PutUint32(file[int(rdata.Offset)+at:], 0x10)
		r := restored(t, loadProgram(t, file, true, movedBase(name)).input(sources{mapped: all, file: func(off int64) bool { return off == 0 }}))
		check(t, file, r)
		for _, row := range r.Rows {
			if row.Exact() != (row.Kind == FileBytes) {
				t.Errorf("%s: %+v", name, row)
			}
		}
	}
}

// TestDLLDefaults checks the assumed bases of DLLs.
func TestDLLDefaults(t *testing.T) {
	const clr = 24 + 96 + 8*dirCLR
	for _, tt := range []struct {
		name, program string
		linker, clr   byte
		want          uint64
	}{
		{"PE32", "reloc32", 14, 0, 0x10000000},
		{"PE32+", "reloc64", 14, 0, 0x180000000},
		{"GNU", "reloc32", 2, 0, 0},
		{"C#, old", "reloc32", 8, 1, 0x400000},
		{"C#, new", "reloc32", 48, 1, 0x10000000},
	} {
		file := programFile(t, tt.program)
		setCheckSum(file, 0)
		nt := binary.LittleEndian.Uint32(file[60:])
		file[nt+23] |= fileDLL >> 8
		file[nt+24+2], file[nt+clr] = tt.linker, tt.clr
		r := restored(t, loadProgram(t, file, true, movedBase(tt.program)).input(sources{mapped: all}))
		if check(t, file, r); r.ImageBase != tt.want || (r.BaseCertainty == Left) != (tt.want == 0) {
			t.Errorf("%s: base %#x, %s, want %#x", tt.name, r.ImageBase, r.BaseCertainty, tt.want)
		}
	}
}

// TestKeptHeader maps programs as hollowing does: relocated, and with an unchanged header.
func TestKeptHeader(t *testing.T) {
	for _, name := range []string{"reloc32", "reloc64", "data32", "data64"} {
		file := programFile(t, name)
		p := loadProgram(t, file, true, movedBase(name))
		copy(p.Mapped[0], file[:p.PE.Sections[0].Offset])
		r := restored(t, p.input(sources{mapped: all}))
		if check(t, file, r); !same(file, r) || r.AllExact() || r.BaseEvidence != KeptHeader || !strings.Contains(r.Proof, "confirm") {
			t.Errorf("%s: %s, %s: %q", name, r.BaseEvidence, r.BaseCertainty, r.Proof)
		}
		p.Own[0] = p.Mapped[0] // the process may have written this
		delete(p.Mapped, 0)
		r = restored(t, p.input(sources{mapped: all, own: all}))
		if check(t, file, r); !same(file, r) || r.AllExact() || r.BaseEvidence != KeptHeader || r.BaseCertainty != Assumed {
			t.Errorf("%s, header from the process: %s, %s: %q", name, r.BaseEvidence, r.BaseCertainty, r.Proof)
		}
	}
}

// TestSectionElsewhere maps an image section, which the kernel has relocated to one address, at another: the loader
// relocates the process's pages from there. The header is the kernel's then, and proves nothing.
func TestSectionElsewhere(t *testing.T) {
	for _, name := range []string{"reloc32", "reloc64"} {
		file := programFile(t, name)
		p := loadProgram(t, file, true, movedBase(name))
		in := p.input(sources{mapped: all})
		in.LoadBase += 0x7770000
		byRVA := in.ByRVA
		in.ByRVA = func(rva uint32) []Page {
			pages := byRVA(rva)
			for i := range pages {
				pages[i].Base = 0
			}
			return pages
		}
		r := restored(t, in)
		if check(t, file, r); !same(file, r) || r.BaseEvidence < CheckSum || r.BaseCertainty != Assumed {
			t.Errorf("%s: %#x %s, %s: %q", name, r.ImageBase, r.BaseEvidence, r.BaseCertainty, r.Proof)
		}
	}
}

// TestWrittenPageKeepsNoBaseBack removes a page, and lets the process write to another: the rest is relocated back by
// the assumed base.
func TestWrittenPageKeepsNoBaseBack(t *testing.T) {
	file := programFile(t, "reloc64")
	p := loadProgram(t, file, true, movedBase("reloc64")).bind(true)
	data := int64(p.PE.Section(".data").VirtualAddress)
	p.Write(data+8, p.Pointer(0x1234))
	r := restored(t, p.input(sources{mapped: func(rva int64) bool { return rva != data && rva != 0x1000 }, own: all}))
	check(t, file, r)
	for _, row := range r.Rows {
		got := make([]byte, row.Length)
		r.Reader.ReadAt(got, row.FileOffset)
		equal := bytes.Equal(got, file[row.FileOffset:row.FileOffset+row.Length])
		if missing := row.Kind == Missing; !equal && !missing && row.Section != ".data" {
			t.Errorf("%s is not the file's: %+v", row.Section, row)
		}
		depends := row.FileOffset == 0 || row.RelocationsUndone > 0
		if depends && !row.Written && (row.Certainty() != Assumed || !strings.Contains(row.Note, "ImageBase")) {
			t.Errorf("%s depends on an assumed base: %s %q", row.Section, row.Certainty(), row.Note)
		}
	}
}
