package restore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/sparse"
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

// TestRoundTrip loads every program in every way and restores it from sources that are always enough: the result is
// the file.
func TestRoundTrip(t *testing.T) {
	ways := []struct {
		name     string
		sources  sources
		complete bool // nothing is in doubt
		vista    bool // also on Vista and later
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

// differences returns the offsets at which the restored file differs from the file.
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
			p.Write(int64(w.relocs.page(p.PE.Section(name).VirtualAddress)[1].rva), p.Pointer(0x77001230))
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
	in := Input{PageCount: int(p.Size / pageSize), LoadBase: p.Load, ByRVA: func(rva uint32) []Page {
		page, ok := give[rva]
		if page.Src = sparse.Bytes(p.Mapped[int64(rva)]); page.Kind == Zero {
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
		{".data", "page file 1", -1, true, noteWritten},
		{".rdata", "missing", -1, false, "page file 0, which is not given"},
		{".idata", "zero by definition", -1, false, noteZero},
		{".tls", "process", 0x7000, true, noteWritten},
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

func TestUnalignedEndAndOverlay(t *testing.T) {
	file := programFile(t, "data32")
	p := loadProgram(t, file, false, 0)
	last := p.PE.Sections[len(p.PE.Sections)-1]
	table := binary.LittleEndian.Uint32(file[60:]) + 24 + 224 + uint32(len(p.PE.Sections)-1)*40
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
	if p.Dirs[dirDelay].Size > 0 && rng.IntN(2) == 0 {
		p.resolveDelayed()
	}
	if rng.IntN(2) == 0 {
		p.fillSlots()
	}
	p.run(rng.IntN(40))
	if rng.IntN(8) == 0 {
		copy(p.Mapped[0], file[:p.PE.Sections[0].Offset]) // as hollowing leaves it
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
	if rng.IntN(4) == 0 { // the loader has kept the bound imports
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
