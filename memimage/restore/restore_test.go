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

var programs = []string{"reloc32", "reloc64", "fixed32", "fixed64", "data32", "data64", "delay32", "delay64"}

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
						if vista && !way.vista && load != 0 {
							return
						}
						if !same(file, r) {
							t.Errorf("not the file; base %#x by %q\n%+v", r.ImageBase, r.Proof, r.Rows)
						}
						if way.complete && !r.Complete() && !(vista && !way.vista) {
							t.Errorf("not complete: %+v", r.Rows)
						}
					})
				}
			}
		}
	}
}

// TestBaseIsProved checks the ways in which the original base is found on Vista and later.
func TestBaseIsProved(t *testing.T) {
	section := sources{mapped: all}
	usual := "with it, one of the usual, the file has the header's CheckSum"
	alone := "it alone gives the file the header's CheckSum"
	assumed := "assumed: what linkers choose when they are not told otherwise"
	tests := []struct {
		name, program string
		change        func(file []byte)
		sources       sources
		proof         string
	}{
		{"file's header", "data64", nil, sources{mapped: all, file: func(off int64) bool { return off == 0 }}, "the header is the file's own"},
		{"a page of data", "data64", nil, sources{mapped: all, file: func(off int64) bool { return off == 0x1000 }}, "16 relocated numbers are also there as in the file"},
		{"checksum and a usual base, PE32", "reloc32", fixCheckSum, section, usual},
		{"checksum and a usual base, PE32+", "reloc64", fixCheckSum, section, usual},
		{"checksum alone, PE32", "data32", fixCheckSum, section, alone},
		{"checksum alone, PE32+", "data64", fixCheckSum, section, alone},
		{"checksum of an image without relocations", "fixed64", fixCheckSum, section, usual},
		{"image without relocations, no checksum", "fixed64", func(file []byte) { setCheckSum(file, 0) }, section, "assumed: the image has no relocations"},
		{"image without relocations, stale checksum", "fixed64", func(file []byte) { setCheckSum(file, uint32(len(file))+0x4321) }, section, "assumed: the image has no relocations"},
		{"no checksum", "reloc64", func(file []byte) { setCheckSum(file, 0) }, section, assumed},
		{"checksum of a file of another size", "reloc64", func(file []byte) { setCheckSum(file, 0x123) }, section, assumed},
		{"no checksum, and a base that is not usual", "data32", func(file []byte) { setCheckSum(file, 0) }, section, assumed},
		{"a page missing", "data32", fixCheckSum, sources{mapped: func(rva int64) bool { return rva != 0x1000 }}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := programFile(t, tt.program)
			if tt.change != nil {
				tt.change(file)
			}
			r := restored(t, loadProgram(t, file, true, movedBase(tt.program)).input(tt.sources))
			if check(t, file, r); r.Proof != tt.proof {
				t.Errorf("proof %q, want %q", r.Proof, tt.proof)
			}
			unusual := tt.proof == assumed && tt.program == "data32" // the assumption is wrong, and listed: check found nothing else
			if (r.Proof != "" && !unusual) != same(file, r) {
				t.Errorf("proof %q, same file: %v", r.Proof, same(file, r))
			}
			if r.Complete() != (tt.proof != "" && tt.proof != alone && !strings.HasPrefix(tt.proof, "assumed")) {
				t.Errorf("complete: %v", r.Complete())
			}
		})
	}
}

// TestStaleCheckSum has a checksum of the right size that is wrong: a base comes out, and all that
// depends on it says so.
func TestStaleCheckSum(t *testing.T) {
	for stale := range uint32(50) {
		file := programFile(t, "data32")
		setCheckSum(file, uint32(len(file))+stale*1311)
		check(t, file, restored(t, loadProgram(t, file, true, movedBase("data32")).input(sources{mapped: all})))
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
			if check(t, file, fresh); !same(file, fresh) || !fresh.Complete() {
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

func TestResolvedDelayedImports(t *testing.T) {
	for _, name := range []string{"delay32", "delay64"} {
		for _, load := range []uint64{0, movedBase(name)} {
			file := programFile(t, name)
			p := loadProgram(t, file, false, load).bind(true)
			p.resolveDelayed()
			r := restored(t, p.input(sources{own: all, processOnly: true}))
			check(t, file, r)
			if s := r.Summary(); s.Left != 1 {
				t.Errorf("%s at %#x: %d left, want 1: %+v", name, load, s.Left, r.Rows)
			}
			if r := restored(t, p.input(sources{mapped: all, own: all})); !same(file, r) {
				t.Errorf("%s at %#x: the image section's page was not preferred", name, load)
			}
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
				if left := row.RelocationsLeft; (row.Section == name) != (left == 1) || row.Section == name && row.Note != noteReloc {
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
	if r := restored(t, p.input(sources{own: all, mapped: func(rva int64) bool { return p.own[rva] == nil }})); !same(file, r) || !r.Complete() {
		t.Errorf("not resolved: %+v", r.Rows)
	}
	p.write(int64(stray), p.pointer(0x7c801234))
	r := restored(t, p.input(sources{own: all, mapped: func(rva int64) bool { return p.own[rva] == nil }}))
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
	if check(t, file, r); !same(file, r) {
		t.Error("unaligned end: not the file")
	}
	file = append(bytes.Clone(file), bytes.Repeat([]byte("overlay "), 3000)...)
	in := loadProgram(t, file, false, 0xab0000).input(sources{mapped: all, fileSize: true, file: func(off int64) bool { return off != 0x4000 && off != 0 }})
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
	p.run(rng.IntN(40))
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
	r, err := Restore(p.input(s))
	if err != nil {
		if _, header := err.(*HeaderError); !header {
			t.Fatal(err)
		}
		return
	}
	check(t, file, r)
}
