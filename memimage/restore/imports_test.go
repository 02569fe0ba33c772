package restore

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
	for d := raw(p.Dirs[dirImport].VirtualAddress); binary.LittleEndian.Uint32(d[12:]) != 0; d = d[20:] {
		binary.LittleEndian.PutUint32(d[4:], stamp)
		binary.LittleEndian.PutUint32(d[8:], 0xffffffff) // no chain of forwarders
		iat := raw(binary.LittleEndian.Uint32(d[16:]))
		for i := 0; bytes.ContainsFunc(iat[i:i+len(p.Pointer(0))], func(r rune) bool { return r != 0 }); i += len(p.Pointer(0)) {
			copy(iat[i:], p.Pointer(0x77e00000+uint64(i)))
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

// TestAddressTableIsNotLookupTable has a program with its own numbers in the import address table of the file, which
// no loader looks at. The table is put back from the lookup table, as most linkers have it, and is not called exact.
func TestAddressTableIsNotLookupTable(t *testing.T) {
	files := map[string][]byte{}
	for _, name := range []string{"delay32", "delay64"} {
		files[name] = programFile(t, name)
		p := loadProgram(t, files[name], false, 0)
		rdata, iat := p.PE.Section(".rdata"), p.Dirs[dirIAT]
		for i := uint32(0); i < 3; i++ {
			copy(files[name][iat.VirtualAddress-rdata.VirtualAddress+rdata.Offset+i*uint32(len(p.Pointer(0))):], p.Pointer(0x1000+uint64(i)))
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
			r := restored(t, p.input(sources{mapped: func(rva int64) bool { return p.Own[rva] == nil }, own: all}))
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

// TestBoundToLoadedDLL has bound imports and names the DLLs that the process has loaded. Only where these are the
// DLLs that the imports were bound to, at the same addresses, did the loader leave the imports.
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
			{"the header does not tell whether it was moved", loaded, true, true, true},
		} {
			p := loadProgram(t, file, tt.vista, 0).bind(false)
			in := p.input(sources{own: all, processOnly: true, mapped: func(rva int64) bool { return rva < int64(p.Dirs[dirIAT].VirtualAddress)&^0xfff }})
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
	at := p.Dirs[dirImport].VirtualAddress - p.PE.Sections[1].VirtualAddress + p.PE.Sections[1].Offset
	binary.LittleEndian.PutUint32(file[at:], 0)
	r := restored(t, loadProgram(t, file, false, 0).bind(true).input(sources{own: all, processOnly: true}))
	check(t, file, r)
	if s := r.Summary(); s.Left != 3 {
		t.Errorf("%d imports left, want 3: %+v", s.Left, r.Rows)
	}
}

// TestResolvedDelayedImports resolves a delayed import. Its stub shows the value in the file.
func TestResolvedDelayedImports(t *testing.T) {
	for _, name := range []string{"delay32", "delay64"} {
		for _, load := range []uint64{0, movedBase(name)} {
			for _, vista := range []bool{false, true} {
				file := programFile(t, name)
				p := loadProgram(t, file, vista, load).bind(true)
				p.resolveDelayed()
				in := p.input(sources{own: all, mapped: func(rva int64) bool { return p.Own[rva] == nil || rva == 0x1000 }})
				r := restored(t, in)
				check(t, file, r)
				handle := int64(p.PE.Section(".data").Offset) // the only slot that the loader wrote and that no table names
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

// TestDelayedImportsWithoutProof changes the stubs: there is none, there are two, or another thunk shows that thunks
// do not hold their stubs in this program. Then the thunk stays as found, and the note says so.
func TestDelayedImportsWithoutProof(t *testing.T) {
	changes := map[string]func(p *program, stub []byte){
		"no stub":           func(_ *program, stub []byte) { stub[0] ^= 0xff },
		"no jump behind it": func(_ *program, stub []byte) { stub[5] ^= 0xff },
		"two stubs":         func(p *program, stub []byte) { copy(p.Mapped[0x1000][0x1f0:], stub[:6]) },
		"thunk is no stub's": func(p *program, _ []byte) {
			p.Write(int64(p.U32(int64(p.Dirs[dirDelay].VirtualAddress)+12))+4, p.Pointer(p.Load+0x1004))
		},
	}
	for what, change := range changes {
		p := loadProgram(t, programFile(t, "delay32"), false, 0).bind(true)
		iat := p.U32(int64(p.Dirs[dirDelay].VirtualAddress) + 12)
		stub := int(p.Thunk(int64(iat)) - p.Base)
		p.resolveDelayed()
		change(p, p.Mapped[0x1000][stub-0x1000:])
		r := restored(t, p.input(sources{own: all, mapped: func(rva int64) bool { return p.Own[rva] == nil || rva == 0x1000 }}))
		if s := r.Summary(); s.Left != 2 {
			t.Errorf("%s: %d left, want the thunk and the DLL's handle", what, s.Left)
		}
	}
}

// TestLookupTableInWrittenPage lets a process change the table that its imports are restored from.
func TestLookupTableInWrittenPage(t *testing.T) {
	file := programFile(t, "delay32")
	f := loadProgram(t, file, false, 0)
	rdata, data := f.PE.Section(".rdata"), f.PE.Section(".data")
	descriptor := file[rdata.Offset+f.Dirs[dirImport].VirtualAddress-rdata.VirtualAddress:]
	lookup := binary.LittleEndian.Uint32(descriptor) - rdata.VirtualAddress + rdata.Offset
	copy(file[data.Offset+8:data.Offset+0x18], file[lookup:])
	binary.LittleEndian.PutUint32(descriptor, data.VirtualAddress+8)

	p := loadProgram(t, file, false, 0).bind(true)
	p.Write(int64(data.VirtualAddress)+12, p.Pointer(0x2010))
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
	header := p.Own[0]
	if header == nil {
		header = bytes.Clone(p.Mapped[0])
		p.Own[0] = header
	}
	at := binary.LittleEndian.Uint32(header[60:]) + 24 + 112 + 8*dirImport
	binary.LittleEndian.PutUint32(header[at:], 0xfff000)
	for _, row := range restored(t, in).Rows {
		if (row.Section == ".idata") != (row.ImportsLeft == -1) {
			t.Errorf("%+v", row)
		}
	}
}

// TestStrayThunk resolves a delayed import in the import address table that no directory names.
func TestStrayThunk(t *testing.T) {
	file := programFile(t, "delay32")
	f := loadProgram(t, file, false, 0)
	iat, rdata := f.Dirs[dirIAT], f.PE.Section(".rdata")
	header := binary.LittleEndian.Uint32(file[60:]) + 24 + 96
	binary.LittleEndian.PutUint32(file[header+8*dirIAT+4:], iat.Size+4)
	stray := iat.VirtualAddress + iat.Size
	binary.LittleEndian.PutUint32(file[stray-rdata.VirtualAddress+rdata.Offset:], 0x401010)

	p := loadProgram(t, file, false, 0).bind(true)
	r := restored(t, p.input(sources{own: all, mapped: func(rva int64) bool { return p.Own[rva] == nil }}))
	if s := r.Summary(); !same(file, r) || s.Left != 0 || s.Changed != 0 || r.AllExact() {
		t.Errorf("not resolved: %+v", r.Rows)
	}
	p.Write(int64(stray), p.Pointer(0x7c801234))
	r = restored(t, p.input(sources{own: all, mapped: func(rva int64) bool { return p.Own[rva] == nil }}))
	if check(t, file, r); r.Summary().Left != 1 {
		t.Errorf("resolved: %+v", r.Rows)
	}
}
