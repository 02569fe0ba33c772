package restore

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"memlens/memimage/sparse"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func programFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".exe"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var programs = []string{"reloc32", "reloc64", "fixed32", "fixed64", "data32", "data64", "delay32", "delay64", "guard32", "guard64"}

func movedBase(name string) uint64 {
	if strings.HasPrefix(name, "fixed") {
		return 0 // it cannot be moved
	}
	if strings.HasSuffix(name, "64") {
		return 0x7ff6_012f_0000
	}
	return 0x012f_0000 // so that adding to the third byte of data32's numbers carries
}

func restored(t testing.TB, in Input) *Result {
	t.Helper()
	r, err := Restore(in)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := Size(in); err != nil || n != r.Reader.Size() {
		t.Fatalf("Size = %#x, %v; the file has %#x", n, err, r.Reader.Size())
	}
	return r
}

// TestRoundTrip loads every program in every way and restores it from what is always enough: the
// result is the file.
func TestRoundTrip(t *testing.T) {
	ways := []struct {
		name     string
		sources  sources
		complete bool // nothing is in doubt
		vista    bool // on Vista and later too
	}{
		{"file cache", sources{file: all, fileSize: true}, true, true},
		{"file cache and process", sources{file: all, own: all, processOnly: true}, true, true},
		{"image section", sources{mapped: all}, true, false},
		{"image section and header of the file", sources{mapped: all, file: func(off int64) bool { return off == 0 }}, true, true},
		{"image section and process", sources{mapped: all, own: all}, true, false},
		{"process", sources{own: all, processOnly: true}, false, false},
		{"process and header of the file", sources{own: all, processOnly: true, file: func(off int64) bool { return off == 0 }}, false, true},
	}
	for _, name := range programs {
		file := programFile(t, name)
		for _, way := range ways {
			for _, vista := range []bool{false, true} {
				for _, load := range []uint64{0, movedBase(name)} {
					t.Run(fmt.Sprintf("%s/%s/vista=%v/%#x", name, way.name, vista, load), func(t *testing.T) {
						p := loadProgram(t, file, vista, load).bind(true)
						r := restored(t, p.input(way.sources))
						check(t, file, r)
						usual := !strings.HasPrefix(name, "data") // it is linked for a base that can be guessed
						if vista && !way.vista && !usual {
							return
						}
						if !same(file, r) {
							t.Errorf("not the file; base %#x by %q\n%+v", r.ImageBase, r.Proof, r.Rows)
						}
						if way.complete && !r.AllExact() && !(vista && !way.vista) {
							t.Errorf("not complete: %+v", r.Rows)
						}
					})
				}
			}
		}
	}
}

// setDLLFlags sets a file's DllCharacteristics.
func setDLLFlags(file []byte, flags uint16) {
	setCheckSum(file, 0)
	binary.LittleEndian.PutUint16(file[binary.LittleEndian.Uint32(file[60:])+24+70:], flags)
}

// TestBase checks by what the original base is known on Vista and later, and how sure it is.
func TestBase(t *testing.T) {
	section := sources{mapped: all}
	const usual, near = "with this one alone the file has the header's CheckSum", "not far from where it lies"
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
		{"image without relocations, where nobody links", "fixed64", func(file []byte) { setBase(file, 0x123450000) }, 0, section, NotMovable, Assumed, "hardly", true},
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

// TestCheckSumWithoutCertificate has a file with a certificate table, which memory never has: the CheckSum, which is that of
// all of it, tells nothing.
func TestCheckSumWithoutCertificate(t *testing.T) {
	for stale := range uint32(20) {
		file := programFile(t, "reloc32")
		setCertificate(file)
		fixCheckSum(file)
		setCheckSum(file, binary.LittleEndian.Uint32(file[binary.LittleEndian.Uint32(file[60:])+24+64:])+stale*977)
		r := restored(t, loadProgram(t, file, true, movedBase("reloc32")).input(sources{mapped: all}))
		got := make([]byte, len(file))
		r.Reader.ReadAt(got, 0)
		if !bytes.Equal(got, file) || r.BaseEvidence != LinkerDefault || r.BaseCertainty != Assumed || r.AllExact() {
			t.Errorf("base %#x, %s, %s: %s", r.ImageBase, r.BaseEvidence, r.BaseCertainty, r.Proof)
		}
	}
}

// TestDynamicRelocations names a table of further changes by the kernel in the load configuration: no page of the section
// is exact then, but those of the file are.
func TestDynamicRelocations(t *testing.T) {
	for name, at := range map[string]int{"guard32": 0x88, "guard64": 0xe0} {
		file := programFile(t, name)
		rdata := loadProgram(t, file, true, 0).pe.Section(".rdata")
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

// TestDLLDefaults checks what is assumed of DLLs.
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

// setCertificate gives a program a certificate table behind its end.
func setCertificate(file []byte) {
	dir := binary.LittleEndian.Uint32(file[60:]) + 24 + 96 + 8*dirCertificate
	binary.LittleEndian.PutUint32(file[dir:], uint32(len(file)))
	binary.LittleEndian.PutUint32(file[dir+4:], 0x1600)
}

// TestKeptHeader maps programs as hollowing does: relocated, and the header as it was.
func TestKeptHeader(t *testing.T) {
	for _, name := range []string{"reloc32", "reloc64", "data32", "data64"} {
		file := programFile(t, name)
		p := loadProgram(t, file, true, movedBase(name))
		copy(p.mapped[0], file[:p.pe.Sections[0].Offset])
		r := restored(t, p.input(sources{mapped: all}))
		if check(t, file, r); !same(file, r) || r.AllExact() || r.BaseEvidence != KeptHeader || !strings.Contains(r.Proof, "confirm") {
			t.Errorf("%s: %s, %s: %q", name, r.BaseEvidence, r.BaseCertainty, r.Proof)
		}
		p.own[0] = p.mapped[0] // the process may have written this
		delete(p.mapped, 0)
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

// TestStaleCheckSum has a checksum of the right size that is wrong. No base is ever proved by it, and where one is assumed,
// all that depends on it says so.
func TestStaleCheckSum(t *testing.T) {
	for stale := range uint32(50) {
		for _, name := range []string{"data32", "data64", "reloc32"} {
			file := programFile(t, name)
			setCheckSum(file, uint32(len(file))+stale*1311)
			r := restored(t, loadProgram(t, file, true, movedBase(name)).input(sources{mapped: all}))
			if check(t, file, r); r.BaseCertainty == Exact || r.AllExact() {
				t.Errorf("%s: base %#x is proved: %q", name, r.ImageBase, r.Proof)
			}
		}
	}
}

// TestCheckSumBehindTheEnd puts the end of the file before the CheckSum's field.
func TestCheckSumBehindTheEnd(t *testing.T) {
	file := programFile(t, "reloc32")
	setCheckSum(file, 0x1000)
	in := loadProgram(t, file, true, movedBase("reloc32")).input(sources{mapped: all})
	in.FileSize = int64(binary.LittleEndian.Uint32(file[60:]) + 24 + 60)
	r := restored(t, in)
	if n, err := r.Reader.ReadAt(make([]byte, in.FileSize), 0); n != int(in.FileSize) {
		t.Error(err)
	}
}

// TestWrittenPageKeepsNoBaseBack takes a page away, and has the process write to another: what is left is relocated back
// by the base that is assumed.
func TestWrittenPageKeepsNoBaseBack(t *testing.T) {
	file := programFile(t, "reloc64")
	p := loadProgram(t, file, true, movedBase("reloc64")).bind(true)
	data := int64(p.pe.Section(".data").VirtualAddress)
	p.write(data+8, p.pointer(0x1234))
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

// fixCheckSum sets a file's CheckSum, computed in the plainest way.
func fixCheckSum(file []byte) {
	setCheckSum(file, 0)
	sum := uint32(0)
	for i := 0; i < len(file); i += 2 {
		sum += uint32(binary.LittleEndian.Uint16(file[i:]))
		sum = sum&0xffff + sum>>16
	}
	setCheckSum(file, sum+uint32(len(file)))
}

func setCheckSum(file []byte, sum uint32) {
	binary.LittleEndian.PutUint32(file[binary.LittleEndian.Uint32(file[60:])+24+64:], sum)
}

// boundFile binds a program: addresses in its import address table, a time stamp in each
// descriptor.
func boundFile(t testing.TB, name string, stamp uint32) []byte {
	file := programFile(t, name)
	f, err := pe.NewFile(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	raw := func(rva uint32) []byte {
		for _, s := range f.Sections {
			if rva >= s.VirtualAddress && rva < s.VirtualAddress+s.Size {
				return file[s.Offset+rva-s.VirtualAddress:]
			}
		}
		t.Fatalf("RVA %#x is in no section", rva)
		return nil
	}
	p := loadProgram(t, file, false, 0)
	for d := raw(p.dirs[dirImport].VirtualAddress); binary.LittleEndian.Uint32(d[12:]) != 0; d = d[20:] {
		binary.LittleEndian.PutUint32(d[4:], stamp)
		binary.LittleEndian.PutUint32(d[8:], 0xffffffff) // no chain of forwarders
		iat := raw(binary.LittleEndian.Uint32(d[16:]))
		for i := 0; bytes.ContainsFunc(iat[i:i+len(p.pointer(0))], func(r rune) bool { return r != 0 }); i += len(p.pointer(0)) {
			copy(iat[i:], p.pointer(0x77e00000+uint64(i)))
		}
	}
	return file
}

func TestBoundImports(t *testing.T) {
	for _, stamp := range []uint32{0xffffffff, 0x3b7dfe0e} {
		for _, name := range []string{"reloc32", "reloc64", "delay32"} {
			file := boundFile(t, name, stamp)
			fresh := restored(t, loadProgram(t, file, false, 0).bind(false).input(sources{mapped: all, own: all}))
			if check(t, file, fresh); !same(file, fresh) || !fresh.AllExact() {
				t.Errorf("%s: valid binding, not touched by the loader: %+v", name, fresh.Rows)
			}
			section := restored(t, loadProgram(t, file, false, 0).bind(true).input(sources{mapped: all, own: all}))
			if check(t, file, section); !same(file, section) {
				t.Errorf("%s: stale binding, from the image section: %+v", name, section.Rows)
			}
			process := restored(t, loadProgram(t, file, false, 0).bind(true).input(sources{own: all, processOnly: true}))
			if check(t, file, process); process.Summary().Left == 0 || same(file, process) {
				t.Errorf("%s: stale binding, from the process: %+v", name, process.Rows)
			}
		}
	}
}

// TestAddressTableIsNotLookupTable has a program whose import address table holds numbers of its own in the file, which no
// loader looks at. From the lookup table it is put back as most linkers have it, and that is not called exact.
func TestAddressTableIsNotLookupTable(t *testing.T) {
	files := map[string][]byte{}
	for _, name := range []string{"delay32", "delay64"} {
		files[name] = programFile(t, name)
		p := loadProgram(t, files[name], false, 0)
		rdata, iat := p.pe.Section(".rdata"), p.dirs[dirIAT]
		for i := uint32(0); i < 3; i++ {
			copy(files[name][iat.VirtualAddress-rdata.VirtualAddress+rdata.Offset+i*uint32(len(p.pointer(0))):], p.pointer(0x1000+uint64(i)))
		}
	}
	if file, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "cases", "iat-not-lookup", "iat.exe")); err == nil {
		files["iat.exe"] = file
	}
	for name, file := range files {
		for _, vista := range []bool{false, true} {
			p := loadProgram(t, file, vista, 0).bind(true)
			if r := restored(t, p.input(sources{mapped: all, own: all})); !same(file, r) {
				t.Errorf("%s: the section's own page is not taken", name)
			}
			r := restored(t, p.input(sources{mapped: func(rva int64) bool { return p.own[rva] == nil }, own: all}))
			if check(t, file, r); same(file, r) {
				t.Errorf("%s: the address table is the lookup table: the test is void", name)
			}
			for _, row := range r.Rows {
				if row.ImportsUndone > 0 && (row.Certainty() != Assumed || !strings.Contains(row.Note, noteLooked)) {
					t.Errorf("%s: %s, %+v", name, row.Certainty(), row)
				}
			}
		}
	}
}

// TestBoundToLoadedDLL has bound imports and tells what the process has loaded. Only where that is what they were bound to,
// and lies where it was then, did the loader leave them.
func TestBoundToLoadedDLL(t *testing.T) {
	const stamp = 0x3b7dfe0e
	loaded := Module{Base: 0x77e00000, ImageBase: 0x77e00000, Size: 0x10000, TimeDateStamp: stamp}
	moved, other, small := loaded, loaded, loaded
	moved.Base += 0x10000
	other.TimeDateStamp++
	small.Size = 4
	for _, name := range []string{"delay32", "delay64"} { // their import tables are not writable
		file := boundFile(t, name, stamp)
		for _, tt := range []struct {
			what  string
			m     Module
			known bool
			vista bool
			left  bool
		}{
			{"as bound", loaded, true, false, false},
			{"moved", moved, true, false, true},
			{"another version", other, true, false, true},
			{"thunks lead elsewhere", small, true, false, true},
			{"not loaded", loaded, false, false, true},
			{"moved for all that is known", loaded, true, true, true},
		} {
			p := loadProgram(t, file, tt.vista, 0).bind(false)
			in := p.input(sources{own: all, processOnly: true, mapped: func(rva int64) bool { return rva < int64(p.dirs[dirIAT].VirtualAddress)&^0xfff }})
			in.Module = func(string) (Module, bool) { return tt.m, tt.known }
			r := restored(t, in)
			if check(t, file, r); (r.Summary().Left > 0) != tt.left || !same(file, r) {
				t.Errorf("%s, %s: %d left", name, tt.what, r.Summary().Left)
			}
		}
	}
}

func TestImportsWithoutLookupTable(t *testing.T) {
	file := programFile(t, "delay32")
	p := loadProgram(t, file, false, 0)
	at := p.dirs[dirImport].VirtualAddress - p.pe.Sections[1].VirtualAddress + p.pe.Sections[1].Offset
	binary.LittleEndian.PutUint32(file[at:], 0)
	r := restored(t, loadProgram(t, file, false, 0).bind(true).input(sources{own: all, processOnly: true}))
	check(t, file, r)
	if s := r.Summary(); s.Left != 3 {
		t.Errorf("%d imports left, want 3: %+v", s.Left, r.Rows)
	}
}

// TestResolvedDelayedImports resolves a delayed import. Its stub says what the file has.
func TestResolvedDelayedImports(t *testing.T) {
	for _, name := range []string{"delay32", "delay64"} {
		for _, load := range []uint64{0, movedBase(name)} {
			for _, vista := range []bool{false, true} {
				file := programFile(t, name)
				p := loadProgram(t, file, vista, load).bind(true)
				p.resolveDelayed()
				in := p.input(sources{own: all, mapped: func(rva int64) bool { return p.own[rva] == nil || rva == 0x1000 }})
				r := restored(t, in)
				check(t, file, r)
				handle := int64(p.pe.Section(".data").Offset) // the only thing that the loader wrote and nothing tells of
				for _, off := range differences(file, r) {
					if off < handle || off >= handle+8 {
						t.Errorf("%s at %#x: byte %#x differs", name, load, off)
					}
				}
				if s := r.Summary(); s.Left != 1 || r.AllExact() { // the handle
					t.Errorf("%s at %#x: %d left: %+v", name, load, s.Left, r.Rows)
				}
				if r := restored(t, p.input(sources{mapped: all, own: all})); !same(file, r) {
					t.Errorf("%s at %#x: the image section's page was not preferred", name, load)
				}
			}
		}
	}
}

// differences returns the offsets at which what was restored is not the file's.
func differences(file []byte, r *Result) (out []int64) {
	b := make([]byte, r.Reader.Size())
	r.Reader.ReadAt(b, 0)
	for i := range b {
		if b[i] != file[i] {
			out = append(out, int64(i))
		}
	}
	return out
}

// TestDelayedImportsWithoutProof changes the stubs: there is none, there are two, and another thunk says that thunks do
// not hold their stubs in this program. The thunk stays as found then, and says so.
func TestDelayedImportsWithoutProof(t *testing.T) {
	changes := map[string]func(p *program, stub []byte){
		"no stub":           func(_ *program, stub []byte) { stub[0] ^= 0xff },
		"no jump behind it": func(_ *program, stub []byte) { stub[5] ^= 0xff },
		"two stubs":         func(p *program, stub []byte) { copy(p.mapped[0x1000][0x1f0:], stub[:6]) },
		"thunk is no stub's": func(p *program, _ []byte) {
			p.write(int64(p.u32(int64(p.dirs[dirDelay].VirtualAddress)+12))+4, p.pointer(p.load+0x1004))
		},
	}
	for what, change := range changes {
		p := loadProgram(t, programFile(t, "delay32"), false, 0).bind(true)
		iat := p.u32(int64(p.dirs[dirDelay].VirtualAddress) + 12)
		stub := int(p.thunk(int64(iat)) - p.base)
		p.resolveDelayed()
		change(p, p.mapped[0x1000][stub-0x1000:])
		r := restored(t, p.input(sources{own: all, mapped: func(rva int64) bool { return p.own[rva] == nil || rva == 0x1000 }}))
		if s := r.Summary(); s.Left != 2 {
			t.Errorf("%s: %d left, want the thunk and the DLL's handle", what, s.Left)
		}
	}
}

// TestOverwrittenReadOnlyPointer overwrites a relocated number of a read-only page, as the loader
// does with pointers to its own checks, in data and in code.
func TestOverwrittenReadOnlyPointer(t *testing.T) {
	for _, name := range []string{".rdata", ".text"} {
		for _, load := range []uint64{0, movedBase("reloc32")} {
			file := programFile(t, "reloc32")
			p := loadProgram(t, file, false, load)
			w := newWork(p.input(sources{own: all, processOnly: true}))
			if err := w.readHeader(); err != nil {
				t.Fatal(err)
			}
			w.readRelocations()
			p.write(int64(w.relocs.page(p.pe.Section(name).VirtualAddress)[1].rva), p.pointer(0x77001230))
			r := restored(t, p.input(sources{own: all, processOnly: true}))
			check(t, file, r)
			for _, row := range r.Rows {
				if left := row.RelocationsLeft; (row.Section == name) != (left == 1) || row.Section == name && !strings.Contains(row.Note, noteReloc) {
					t.Errorf("at %#x: %+v", load, row)
				}
			}
		}
	}
}

// TestKinds takes each page from another kind of source, and finds it in the rows.
func TestKinds(t *testing.T) {
	p := loadProgram(t, programFile(t, "reloc32"), false, 0)
	give := map[uint32]Page{
		0:      {Kind: Mapped, Label: "", Phys: 0x5000},
		0x1000: {Kind: Private, Label: "process 17", Phys: 0x6000},
		0x2000: {Kind: PageFile, Label: "page file 1", Phys: -1},
		0x3000: {Kind: Missing, Label: "page file 0, which is not given", Phys: -1},
		0x7000: {Kind: Zero, Phys: -1},
		0x8000: {Kind: Private, Phys: 0x7000},
		0x9000: {Kind: FileBytes, Phys: 0x8000},
	}
	in := Input{PageCount: int(p.size / pageSize), LoadBase: p.load, ByRVA: func(rva uint32) []Page {
		page, ok := give[rva]
		if page.Src = sparse.Bytes(p.mapped[int64(rva)]); page.Kind == Zero {
			page.Src = sparse.Bytes(make([]byte, pageSize))
		}
		if !ok || page.Kind == Missing {
			page.Src = nil
		}
		return []Page{page}
	}}
	r := restored(t, in)
	want := []struct {
		section, source string
		phys            int64
		written         bool
		note            string
	}{
		{"", "image section", 0x5000, false, ""},
		{".text", "process 17", 0x6000, true, noteCopy},
		{".data", "page file 1", -1, true, ""},
		{".rdata", "missing", -1, false, "page file 0, which is not given"},
		{".idata", "zero by definition", -1, false, noteZero},
		{".tls", "process", 0x7000, true, ""},
		{".reloc", "file cache", 0x8000, false, ""},
	}
	if len(r.Rows) != len(want) {
		t.Fatalf("%d rows: %+v", len(r.Rows), r.Rows)
	}
	for i, w := range want {
		if row := r.Rows[i]; row.Section != w.section || row.Source != w.source || row.Phys != w.phys || row.Written != w.written || row.Note != w.note {
			t.Errorf("row %d: %+v, want %+v", i, row, w)
		}
	}
	_, err := r.Reader.ReadAt(make([]byte, 1), r.Rows[3].FileOffset)
	if err == nil || !strings.Contains(err.Error(), "page file 0, which is not given") {
		t.Errorf("the hole's reason: %v", err)
	}
}

// TestLookupTableInWrittenPage lets a process change the table that its imports are restored from.
func TestLookupTableInWrittenPage(t *testing.T) {
	file := programFile(t, "delay32")
	f := loadProgram(t, file, false, 0)
	rdata, data := f.pe.Section(".rdata"), f.pe.Section(".data")
	descriptor := file[rdata.Offset+f.dirs[dirImport].VirtualAddress-rdata.VirtualAddress:]
	lookup := binary.LittleEndian.Uint32(descriptor) - rdata.VirtualAddress + rdata.Offset
	copy(file[data.Offset+8:data.Offset+0x18], file[lookup:])
	binary.LittleEndian.PutUint32(descriptor, data.VirtualAddress+8)

	p := loadProgram(t, file, false, 0).bind(true)
	p.write(int64(data.VirtualAddress)+12, p.pointer(0x2010))
	r := restored(t, p.input(sources{own: all, processOnly: true}))
	if check(t, file, r); same(file, r) {
		t.Error("the changed table had no effect: the test is void")
	}
}

// TestImportsUnknown leaves the import directory out: the table of addresses is in doubt.
func TestImportsUnknown(t *testing.T) {
	file := programFile(t, "reloc64")
	p := loadProgram(t, file, false, 0).bind(true)
	in := p.input(sources{own: all, processOnly: true})
	header := p.own[0]
	if header == nil {
		header = bytes.Clone(p.mapped[0])
		p.own[0] = header
	}
	at := binary.LittleEndian.Uint32(header[60:]) + 24 + 112 + 8*dirImport
	binary.LittleEndian.PutUint32(header[at:], 0xfff000)
	for _, row := range restored(t, in).Rows {
		if (row.Section == ".idata") != (row.ImportsLeft == -1) {
			t.Errorf("%+v", row)
		}
	}
}

// TestStrayThunk resolves a delayed import in the import address table that no directory tells of.
func TestStrayThunk(t *testing.T) {
	file := programFile(t, "delay32")
	f := loadProgram(t, file, false, 0)
	iat, rdata := f.dirs[dirIAT], f.pe.Section(".rdata")
	header := binary.LittleEndian.Uint32(file[60:]) + 24 + 96
	binary.LittleEndian.PutUint32(file[header+8*dirIAT+4:], iat.Size+4)
	stray := iat.VirtualAddress + iat.Size
	binary.LittleEndian.PutUint32(file[stray-rdata.VirtualAddress+rdata.Offset:], 0x401010)

	p := loadProgram(t, file, false, 0).bind(true)
	r := restored(t, p.input(sources{own: all, mapped: func(rva int64) bool { return p.own[rva] == nil }}))
	if s := r.Summary(); !same(file, r) || s.Left != 0 || s.Changed != 0 || r.AllExact() {
		t.Errorf("not resolved: %+v", r.Rows)
	}
	p.write(int64(stray), p.pointer(0x7c801234))
	r = restored(t, p.input(sources{own: all, mapped: func(rva int64) bool { return p.own[rva] == nil }}))
	if check(t, file, r); r.Summary().Left != 1 {
		t.Errorf("resolved: %+v", r.Rows)
	}
}

func TestUnalignedEndAndOverlay(t *testing.T) {
	file := programFile(t, "data32")
	p := loadProgram(t, file, false, 0)
	last := p.pe.Sections[len(p.pe.Sections)-1]
	table := binary.LittleEndian.Uint32(file[60:]) + 24 + 224 + uint32(len(p.pe.Sections)-1)*40
	binary.LittleEndian.PutUint32(file[table+16:], last.VirtualSize-3)
	file = file[:last.Offset+last.VirtualSize-3]

	r := restored(t, loadProgram(t, file, false, 0xab0000).input(sources{mapped: all}))
	if check(t, file, r); !same(file, r) || !r.AllExact() || len(r.Notes) != 1 {
		t.Errorf("unaligned end: not the file: %+v, %q", r.Rows, r.Notes)
	}
	in := loadProgram(t, file, false, 0xab0000).input(sources{mapped: all, fileSize: true})
	if r = restored(t, in); !same(file, r) || !r.AllExact() {
		t.Errorf("unaligned end of a file whose size is known: %+v", r.Rows)
	}
	file = append(bytes.Clone(file), bytes.Repeat([]byte("overlay "), 3000)...)
	in = loadProgram(t, file, false, 0xab0000).input(sources{mapped: all, fileSize: true, file: func(off int64) bool { return off != 0x4000 && off != 0 }})
	r = restored(t, in)
	check(t, file, r)
	if missing := r.Summary().Bytes[Missing]; missing != 0x1000 {
		t.Errorf("%#x bytes missing, want the page of overlay that is not there", missing)
	}
}

// TestAnySubset restores programs from random subsets of their pages, written to at random.
func TestAnySubset(t *testing.T) {
	rounds := 800
	if testing.Short() {
		rounds = 200
	}
	for seed := range uint64(rounds) {
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) { anySubset(t, seed) }) {
			return
		}
	}
}

func anySubset(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	name := programs[rng.IntN(len(programs))]
	file := programFile(t, name)
	if rng.IntN(4) == 0 {
		file = boundFile(t, name, 0xffffffff)
	}
	load := movedBase(name)
	if rng.IntN(3) == 0 {
		load = 0
	}
	p := loadProgram(t, file, rng.IntN(2) == 0, load)
	p.rng = rng
	p.bind(rng.IntN(2) == 0)
	if p.dirs[dirDelay].Size > 0 && rng.IntN(2) == 0 {
		p.resolveDelayed()
	}
	if rng.IntN(2) == 0 {
		p.fillSlots()
	}
	p.run(rng.IntN(40))
	if rng.IntN(8) == 0 {
		copy(p.mapped[0], file[:p.pe.Sections[0].Offset]) // as hollowing leaves it
	}
	subset := func() func(int64) bool {
		kept := map[int64]bool{}
		for page := int64(0); page < 64; page++ {
			kept[page*pageSize] = rng.IntN(4) != 0
		}
		if rng.IntN(3) == 0 {
			return nil
		}
		return func(page int64) bool { return kept[page] }
	}
	s := sources{mapped: subset(), own: subset(), file: subset(), processOnly: rng.IntN(2) == 0, fileSize: true}
	in := p.input(s)
	if rng.IntN(4) == 0 { // the loader has left what is bound
		in.Module = func(string) (Module, bool) {
			return Module{Base: 0x77e00000, ImageBase: 0x77e00000, Size: 0x10000, TimeDateStamp: 0xffffffff}, true
		}
	}
	r, err := Restore(in)
	if err != nil {
		if _, header := err.(*HeaderError); !header {
			t.Fatal(err)
		}
		return
	}
	check(t, file, r)
}
