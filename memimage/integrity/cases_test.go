package integrity

import (
	"bytes"
	gope "debug/pe"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"memlens/memimage/restore"
	"memlens/memimage/sparse"
)

// both writes to the file and to the process's copy.
func (p *program) both(rva int64, b []byte) {
	p.WriteShared(rva, b)
	if p.Own[rva&^(pageSize-1)] != nil {
		p.Write(rva, b)
	}
}

// renameImport gives the DLL of the imports another name of the same length.
func (p *program) renameImport(from, to string) {
	for d := int64(p.Dirs[1].VirtualAddress); p.U32(d+12) != 0; d += 20 {
		if p.string(p.U32(d+12)) == from {
			p.both(p.U32(d+12), []byte(to))
		}
	}
}

// find returns the run that holds an RVA.
func find(t *testing.T, r *Result, rva int64) *Run {
	t.Helper()
	for i := range r.Runs {
		if rva >= int64(r.Runs[i].RVA) && rva < r.Runs[i].End() {
			return &r.Runs[i]
		}
	}
	t.Fatalf("no run at %#x: %s", rva, list(r))
	return nil
}

// TestImportsOfAPISets names an API set in the imports: the function may be in any module that has it.
func TestImportsOfAPISets(t *testing.T) {
	for _, path := range []string{"testdata/library32.dll", "testdata/library64.dll"} {
		for _, x := range []struct {
			lead  func(p *program, s *system) uint64 // nil: where the loader leads it
			gone  bool                               // a module's exports are missing
			cause Cause
			word  string
		}{
			{cause: ImportBinding, word: "another module"},
			{lead: evil, cause: ImportChanged, word: "api-ms-a.dll!GetTickCount"},
			{lead: shell, cause: ImportChanged, word: "no module"},
			{lead: evil, gone: true, cause: ImportBinding, word: "missing"},
			{lead: shell, gone: true, cause: ImportChanged, word: "no module"},
		} {
			p := loadProgram(t, path, true, 0x3450000)
			s := windows(p.Plus)
			p.start(s)
			at := thunkOf(p, "GetTickCount")
			p.renameImport("KERNEL32.dll", "api-ms-a.dll")
			if x.lead != nil {
				p.Write(at, p.Pointer(x.lead(p, s)))
			}
			s.dlls[1].missing = x.gone
			r := run(t, p.input(s, seen{}))
			if got := find(t, r, at); got.Cause != x.cause || got.Certainty != restore.Assumed || !strings.Contains(got.Note, x.word) {
				t.Errorf("want %s, %s: %s", x.cause, x.word, list(r))
			}
		}
	}
}

// TestForwardsToAPISetsByOtherNames has a function that is forwarded to an API set under another name, as in psapi.dll.
func TestForwardsToAPISetsByOtherNames(t *testing.T) {
	p := loadProgram(t, "testdata/library64.dll", true, 0x3450000)
	s := windows(true)
	p.start(s)
	at := thunkOf(p, "GetTickCount")
	s.dlls[0].exports[1], s.dlls[1].exports[0] = "GetTickCount=api-ms-b.K32GetTickCount", "K32GetTickCount"
	for _, x := range []struct {
		to    uint64
		cause Cause
	}{{s.dlls[1].base + codeRVA, ImportBinding}, {evil(p, s), ImportChanged}} {
		p.Write(at, p.Pointer(x.to))
		r := run(t, p.input(s, seen{}))
		if got := find(t, r, at); got.Cause != x.cause || got.Certainty != restore.Assumed {
			t.Errorf("want %s: %s", x.cause, list(r))
		}
	}
}

// TestDelayedImportsOfMissingFunctions has a delayed import of a function that no module has: Windows leads it to a
// function of its own. Where a module has the function, the import must lead there.
func TestDelayedImportsOfMissingFunctions(t *testing.T) {
	for _, x := range []struct {
		dll   int
		there bool
		cause Cause
	}{{0, false, DelayImport}, {1, false, DelayImport}, {5, false, ImportChanged}, {0, true, ImportChanged}} {
		p := loadProgram(t, "../restore/testdata/delay64.exe", true, 0x3450000)
		s := windows(true)
		p.start(s)
		var at int64
		var name, fn string
		p.eachDelayed(func(rva int64, dll, f string) { at, name, fn = rva, dll, f })
		renamed := "ext-ms" + strings.Repeat("x", len(name)-len("ext-ms"))
		d := int64(p.Dirs[13].VirtualAddress)
		p.both(p.U32(d+4), []byte(renamed))
		late := s.named(t, name)
		late.exports = slices.DeleteFunc(late.exports, func(e string) bool { return e == fn && !x.there })
		p.Write(at, p.Pointer(s.dlls[x.dll].base+0x1234))
		r := run(t, p.input(s, seen{}))
		if got := find(t, r, at); got.Cause != x.cause || got.Certainty != restore.Assumed {
			t.Errorf("%s!%s leads to %s, there %v, want %s: %s", name, fn, s.dlls[x.dll].name, x.there, x.cause, list(r))
		}
	}
}

// TestModulesOfOneNameThatForwardToEachOther: the search must end.
func TestModulesOfOneNameThatForwardToEachOther(t *testing.T) {
	p := loadProgram(t, "testdata/library32.dll", false, 0)
	s := windows(false)
	p.start(s)
	for i := range 64 {
		s.dlls = append(s.dlls, &dll{"twin.dll", uint64(0x1000_0000 + 0x20_0000*i), []string{"GetTickCount=twin.GetTickCount"}, true, false, false})
	}
	s.dlls[0].exports[1] = "GetTickCount=twin.GetTickCount"
	at := thunkOf(p, "GetTickCount")
	p.Write(at, p.Pointer(evil(p, s)+1))
	r := run(t, p.input(s, seen{}))
	if got := find(t, r, at); got.Cause != ImportBinding || got.Certainty != restore.Assumed {
		t.Error(list(r))
	}
}

// TestImportsThatCannotBeLookedUp: such imports are no findings, unless they lead where no function can be.
func TestImportsThatCannotBeLookedUp(t *testing.T) {
	for _, x := range []struct {
		name  string
		do    func(p *program, s *system)
		lead  func(p *program, s *system) uint64
		cause Cause
		word  string
	}{
		{"exports missing", func(_ *program, s *system) { s.dlls[1].missing = true }, evil, ImportBinding, "missing"},
		{"two of a name, one that cannot be read", func(_ *program, s *system) {
			twin := *s.dlls[2]
			twin.base += 0x8000000
			s.dlls = append(s.dlls, &twin)
			s.dlls[2].missing = true
		}, nil, ImportBinding, "missing"},
		{"two of a name, one whose name cannot be read", func(_ *program, s *system) {
			s.partial = true
			s.dlls[5].name = ""
		}, evil, ImportBinding, "whose name cannot be read"},
		{"two of a name, one of which may be unknown", func(_ *program, s *system) { s.partial = true }, evil, ImportChanged, "GetTickCount"},
		{"exporter not known", func(_ *program, s *system) { s.dlls = s.dlls[1:] }, shell, ImportBinding, "none of the modules"},
		{"tables of the process", func(_ *program, s *system) { s.dlls[2].own = false }, nil, ImportBinding, "may have written"},
		{"shim", func(_ *program, s *system) { s.dlls[5].name = "AcLayers.dll" }, func(p *program, s *system) uint64 { return s.dlls[5].base + codeRVA }, ImportBinding, "compatibility"},
		{"partial list", func(_ *program, s *system) { s.dlls, s.partial = s.dlls[1:], true }, shell, ImportBinding, "none of the modules"},
	} {
		p := loadProgram(t, "testdata/library32.dll", false, 0)
		s := windows(false)
		p.start(s)
		at := thunkOf(p, "GetTickCount")
		if x.lead != nil {
			p.Write(at, p.Pointer(x.lead(p, s)))
		}
		x.do(p, s)
		r := run(t, p.input(s, seen{}))
		if got := find(t, r, at); got.Cause != x.cause || got.Certainty != restore.Assumed || !strings.Contains(got.Note, x.word) {
			t.Errorf("%s: want %s, %s: %s", x.name, x.cause, x.word, list(r))
		}
	}
}

// TestImportsOfTwoWidths has two modules with the name that a 64-bit program imports from, as a 32-bit process on
// 64-bit Windows has. The 32-bit module is not used, whether the tables of the other can be read or not.
func TestImportsOfTwoWidths(t *testing.T) {
	for _, missing := range []bool{false, true} {
		p := loadProgram(t, "testdata/library64.dll", true, 0x3450000)
		s := windows(true)
		s.dlls = append(s.dlls, &dll{"ntdll.dll", 0x7710_0000, []string{"RtlExit", "LdrpValidate", "NtGetTickCount"}, true, false, false},
			&dll{"kernelbase.dll", 0x7720_0000, []string{"VirtualAlloc", "GetTickCount"}, true, false, false})
		p.start(s)
		for _, d := range s.dlls[:4] {
			d.missing = missing
		}
		if r := run(t, p.input(s, seen{})); r.Verdict.Code != Equal {
			t.Errorf("tables missing: %v: %s: %s", missing, r.Verdict, list(r))
		}
	}
}

// TestImportsWithinTheirModule: without the names of the module's functions, an address that is no function is told
// from an address that is one.
func TestImportsWithinTheirModule(t *testing.T) {
	for _, hooked := range []bool{false, true} {
		p := loadProgram(t, "testdata/library32.dll", false, 0)
		s := windows(false)
		s.dlls[0].exports[1] = "GetTickCount"
		p.start(s)
		at, to := thunkOf(p, "GetTickCount"), s.address(t, "kernel32", "GetTickCount")
		want := ImportBinding
		if hooked {
			to, want = to+5, ImportChanged
		}
		p.Write(at, p.Pointer(to))
		s.dlls[0].nameless = true
		r := run(t, p.input(s, seen{}))
		if got := find(t, r, at); got.Cause != want || got.Certainty != restore.Assumed {
			t.Errorf("hooked %v: %s", hooked, list(r))
		}
	}
}

// TestLockPrefixes removes a lock prefix, as on a machine with one processor, and changes another.
func TestLockPrefixes(t *testing.T) {
	p := loadProgram(t, "../restore/testdata/guard32.exe", true, 0x3450000)
	s := windows(false)
	p.start(s)
	list32 := int64(p.PE.Section(".rdata").VirtualAddress) + 0xf00
	first, second := p.text()+5, p.text()+0x15
	for _, at := range []int64{first, second} {
		p.both(at, []byte{0xf0})
	}
	table := binary.LittleEndian.AppendUint32(nil, uint32(p.Load)+uint32(first))
	table = binary.LittleEndian.AppendUint32(table, uint32(p.Load)+uint32(second))
	p.both(list32, append(table, 0, 0, 0, 0))
	p.both(int64(p.Dirs[10].VirtualAddress)+0x20, binary.LittleEndian.AppendUint32(nil, uint32(p.Load)+uint32(list32)))
	p.Write(first, []byte{0x90})
	p.Write(second, []byte{0xcc})
	r := run(t, p.input(s, seen{}))
	if got := find(t, r, first); got.Cause != LoaderSlot {
		t.Error(list(r))
	}
	if got := find(t, r, second); got.Cause != CodeChanged || r.ChangedCode() != 1 {
		t.Error(list(r))
	}
}

// TestHeadersOfDotNet changes the entry point of a program of .NET, as its runtime does.
func TestHeadersOfDotNet(t *testing.T) {
	p := loadProgram(t, "testdata/library32.dll", true, 0x3450000)
	s := windows(false)
	p.start(s)
	nt := p.U32(60)
	p.both(nt+24+96+8*14, []byte{0, 0x20, 0, 0, 72, 0, 0, 0})
	p.Write(nt+40, []byte{0x77, 0x66, 0x55})
	r := run(t, p.input(s, seen{}))
	if got := find(t, r, nt+40); r.Verdict.Code != Equal || got.Cause != LoaderSlot || got.Certainty != restore.Assumed {
		t.Error(list(r))
	}
	p.Write(nt+8, []byte{1, 2, 3, 4})
	if r := run(t, p.input(s, seen{})); r.Verdict.Code != NotItsFile {
		t.Error(list(r))
	}
}

// TestDoubt: every difference is assumed where no byte is sure.
func TestDoubt(t *testing.T) {
	p := loadProgram(t, "testdata/library64.dll", true, 0x3450000)
	s := windows(true)
	p.start(s)
	p.Write(p.text(), []byte{0xe9, 1, 2, 3, 4})
	in := p.input(s, seen{})
	in.Doubt = "the container is damaged"
	r := run(t, in)
	for i := range r.Runs {
		if r.Runs[i].Certainty != restore.Assumed || !strings.Contains(r.Runs[i].Note, in.Doubt) {
			t.Error(list(r))
		}
	}
	if r.ChangedCode() == 0 {
		t.Error(list(r))
	}
}

// TestSharedPagesAreNotRead counts the reads of an image without copies of the process: there are none.
func TestSharedPagesAreNotRead(t *testing.T) {
	in := Input{Pages: 100, Memory: func(uint32) (Page, error) { return Page{}, ErrShared }, File: func(rva uint32) (Page, error) {
		t.Errorf("the page at %#x is asked for", rva)
		return Page{}, gone(rva)
	}}
	if r := run(t, in); r.Verdict.String() != "equal to its file in all 100 comparable pages" {
		t.Error(list(r))
	}
}

// TestChangesByTheDynamicTable changes code of a file that has a dynamic relocation table (DynamicValueRelocTableOffset): compared with
// the file's page as on disk, the kernel may have made the change; compared with the section's page it has not.
func TestChangesByTheDynamicTable(t *testing.T) {
	for _, dynamic := range []bool{false, true} {
		for _, cached := range []bool{false, true} {
			p := loadProgram(t, "../restore/testdata/guard64.exe", true, 0x3450000)
			config := int64(p.Dirs[10].VirtualAddress)
			if dynamic {
				p.both(config+0xe0, []byte{1})
				for _, s := range p.PE.Sections {
					if off := config + 0xe0 - int64(s.VirtualAddress); off >= 0 && off < int64(s.VirtualSize) {
						p.Raw[int64(s.Offset)+off] = 1
					}
				}
			}
			at := p.text() + 0x10
			p.Write(at, []byte{^p.Read(at, 1)[0]})
			view := seen{cached: cached}
			if cached {
				view.section = func(rva int64) bool { return rva != p.text() }
			}
			r := run(t, p.input(windows(true), view))
			if got := find(t, r, at); got.Cause != CodeChanged || (got.Certainty == restore.Exact) == (dynamic && cached) {
				t.Errorf("dynamic %v, cached %v: %s", dynamic, cached, list(r))
			}
		}
	}
}

// TestRunsEndBeforeMissingPages has differences at both sides of a missing page: no run reaches across it.
func TestRunsEndBeforeMissingPages(t *testing.T) {
	p := loadProgram(t, "testdata/library32.dll", false, 0)
	data := p.PE.Section(".data")
	at := int64(data.VirtualAddress)
	for i := range int64(3) {
		p.Mapped[at+i*pageSize] = make([]byte, pageSize)
	}
	// The section is longer than in the file.
	for i, s := range p.PE.Sections {
		if s == data {
			head := int64(binary.LittleEndian.Uint32(p.Raw[60:])) + 24 + int64(binary.LittleEndian.Uint16(p.Raw[binary.LittleEndian.Uint32(p.Raw[60:])+20:])) + 40*int64(i)
			binary.LittleEndian.PutUint32(p.Mapped[0][head+8:], 3*pageSize)
		}
	}
	p.Write(at+pageSize-4, []byte{1, 2, 3, 4})
	p.Write(at+pageSize, []byte{9})
	p.Write(at+2*pageSize, []byte{5, 6, 7, 8})
	r := run(t, p.input(nil, seen{own: func(rva int64) bool { return rva != at+pageSize }}))
	if got := find(t, r, at+pageSize-4); got.Len != 4 || find(t, r, at+2*pageSize).Len != 4 {
		t.Error(list(r))
	}
}

// TestRunsAreBounded changes more places than are kept.
func TestRunsAreBounded(t *testing.T) {
	p := loadProgram(t, "../restore/testdata/data64.exe", true, 0x3450000)
	s := windows(true)
	p.start(s)
	in := p.input(s, seen{})
	in.Pages = 200 // the header has fewer, and the bytes behind are constants
	in.File = func(rva uint32) (Page, error) {
		if page := p.Mapped[int64(rva)]; page != nil {
			return Page{Src: bytesOf(page)}, nil
		}
		return Page{Src: bytesOf(make([]byte, pageSize))}, nil
	}
	own := in.Memory
	in.Memory = func(rva uint32) (Page, error) {
		if int64(rva) < p.Size {
			return own(rva)
		}
		b := make([]byte, pageSize)
		for i := 0; i < len(b); i += 16 {
			b[i] = 1
		}
		return Page{Src: bytesOf(b)}, nil
	}
	r := run(t, in)
	if checkResult(t, r); r.LeftOut == 0 || r.Bytes[ConstantChanged] < 20000 {
		t.Errorf("%d runs, %d left out, %v", len(r.Runs), r.LeftOut, r.Bytes)
	}
}

// TestDelayedImportsAreTold distinguishes imports of DLLs that are loaded late from others.
func TestDelayedImportsAreTold(t *testing.T) {
	p := loadProgram(t, "../restore/testdata/delay64.exe", true, 0x3450000)
	s := windows(true)
	p.start(s)
	var at []int64
	p.eachDelayed(func(rva int64, _, _ string) { at = append(at, rva) })
	if r := run(t, p.input(s, seen{})); find(t, r, at[0]).Cause != DelayImport || find(t, r, at[0]).Certainty != restore.Exact {
		t.Error(list(r))
	}
}

// TestRelocationsWithoutTheirTable moves a program whose table of relocations is not in memory.
func TestRelocationsWithoutTheirTable(t *testing.T) {
	p := loadProgram(t, "testdata/library32.dll", false, 0x120000)
	s := windows(false)
	p.start(s)
	table := int64(p.Dirs[5].VirtualAddress)
	there := func(rva int64) bool { return rva != table }
	r := run(t, p.input(s, seen{private: true, section: there, own: there}))
	if r.Verdict.Code != Equal || r.Bytes[Relocation] == 0 {
		t.Error(list(r))
	}
	p.Write(p.text()+0x18, []byte{0xe9, 1, 2, 3, 4})
	if r := run(t, p.input(s, seen{private: true, section: there, own: there})); r.Verdict.Code != CodeDiffers {
		t.Error(list(r))
	}
}

// TestDistanceByTheNumbersThemselves has pages of the file cache only, and nothing shows the base that the file was
// linked for: GNU ld gives each DLL its own base.
func TestDistanceByTheNumbersThemselves(t *testing.T) {
	p := loadProgram(t, "testdata/library32.dll", true, 0x3450000)
	s := windows(false)
	p.start(s)
	sight := seen{private: true, cached: true, uncache: true, section: func(rva int64) bool { return rva == 0 }}
	r := run(t, p.input(s, sight))
	if r.Verdict.Code != Equal || r.Bytes[Relocation] == 0 || find(t, r, 0x4000).Certainty != restore.Assumed {
		t.Error(list(r))
	}
	p.Write(0x4004, p.Pointer(evil(p, s))) // the others agree
	if r := run(t, p.input(s, sight)); find(t, r, 0x4004).Cause != ConstantChanged {
		t.Error(list(r))
	}
}

// TestOneNumber has one relocated number in the code, which agrees with the headers alone.
func TestOneNumber(t *testing.T) {
	raw, err := os.ReadFile("testdata/library32.dll")
	if err != nil {
		t.Fatal(err)
	}
	f, err := gope.NewFile(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	block := raw[f.Section(".reloc").Offset:]
	size := binary.LittleEndian.Uint32(block[4:])
	clear(block[10:size]) // all but the first of the code: IMAGE_REL_BASED_ABSOLUTE
	for _, boot := range boots {
		p := loadRaw(t, raw, boot.vista, boot.by)
		s := windows(false)
		p.start(s)
		r := run(t, p.input(s, seen{private: true, cached: true, section: func(int64) bool { return false }}))
		if r.Verdict.Code != Equal || boot.by != 0 && find(t, r, 0x1024).Certainty != restore.Exact {
			t.Errorf("%s: %s", boot.name, list(r))
		}
	}
}

// TestTablesOfTheProcess uses a header that the process may have written to: then nothing is exact.
func TestTablesOfTheProcess(t *testing.T) {
	p := loadProgram(t, "testdata/library32.dll", true, 0x3450000)
	s := windows(false)
	p.start(s)
	p.Write(p.text()+0x22, []byte{0xe9, 1, 2, 3, 4})
	r := run(t, p.input(s, seen{private: true, section: func(rva int64) bool { return rva != 0 }}))
	if r.ChangedCode() == 0 {
		t.Error(list(r))
	}
	for i := range r.Runs {
		if r.Runs[i].Certainty != restore.Assumed {
			t.Error(list(r))
		}
	}
}

// TestFailedReadsOfTables lets the disk fail where only the tables are: the process has no copy of these pages.
func TestFailedReadsOfTables(t *testing.T) {
	p := loadProgram(t, "testdata/library64.dll", true, 0x3450000)
	s := windows(true)
	p.start(s)
	for _, section := range []string{".edata", ".reloc"} {
		in := p.input(s, seen{})
		file := in.File
		in.File = func(rva uint32) (Page, error) {
			if rva == p.PE.Section(section).VirtualAddress {
				return Page{}, &sparse.ReadError{Err: errors.New("the disk")}
			}
			return file(rva)
		}
		if r, err := Compare(in); !sparse.Failed(err) {
			t.Errorf("%s: %v, %v", section, r, err)
		}
	}
}
