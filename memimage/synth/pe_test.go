package synth

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestProgramsParse reads made-up programs with the standard library's parser.
func TestProgramsParse(t *testing.T) {
	for _, bits := range []int{32, 64} {
		exe := NewProgram(Program{Name: "parse.exe", Bits: bits})
		f, err := pe.NewFile(bytes.NewReader(exe.File))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range f.Sections {
			names = append(names, s.Name)
		}
		if got := strings.Join(names, " "); got != ".text .rdata .data .bss .idata .rdata .reloc" {
			t.Errorf("%d bits: sections %s", bits, got)
		}
		symbols, err := f.ImportedSymbols()
		if err != nil || !slices.Contains(symbols, "CreateFileW:kernel32.dll") {
			t.Errorf("%d bits: imports %v, %v", bits, symbols, err)
		}
	}
}

// TestObjdump reads the files of Bytes with binutils.
func TestObjdump(t *testing.T) {
	tool, err := exec.LookPath("objdump")
	if err != nil {
		if os.Getenv("MEMLENS_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skip("objdump is not installed")
	}
	for _, bits := range []int{32, 64} {
		name := filepath.Join(t.TempDir(), "ntdll.dll")
		if err := os.WriteFile(name, NewProgram(Program{Name: "kernel32.dll", Bits: bits, DLL: true}).File, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(tool, "-p", name).CombinedOutput()
		if err != nil {
			t.Skipf("this objdump does not read PE files: %v", err)
		}
		for _, want := range []string{"CreateFileW", "NtReadFile", "kernel32.dll", "RSDS"} {
			if !bytes.Contains(out, []byte(want)) {
				t.Errorf("%d bits: objdump does not show %s", bits, want)
			}
		}
	}
}

// TestLoaderUndone relocates and binds an image and undoes both: the result must be the image as mapped.
func TestLoaderUndone(t *testing.T) {
	for _, bits := range []int{32, 64} {
		im, err := parseImage(NewProgram(Program{Name: "undo.exe", Bits: bits}).File)
		if err != nil {
			t.Fatal(err)
		}
		want, got := im.mapped(), im.mapped()
		if n := len(im.relocate(got, im.base, im.base+0x10000)); n < 3 {
			t.Errorf("%d bits: relocation changed %d pages, want 3 at least", bits, n)
		}
		if n := len(im.bind(got, func(_, _ string) uint64 { return 0x7c801234 })); n == 0 {
			t.Errorf("%d bits: binding changed nothing", bits)
		}
		if bytes.Equal(got, want) {
			t.Errorf("%d bits: the loader changed nothing", bits)
		}
		im.relocate(got, im.base+0x10000, im.base)
		im.bind(got, unbound(im, want))
		if !bytes.Equal(got, want) {
			t.Errorf("%d bits: %d bytes differ after undoing", bits, differing(got, want))
		}
	}
}

// unbound gives back the lookup entries in the order that bind asks for them.
func unbound(im *image, mapped []byte) func(dll, name string) uint64 {
	var entries []uint64
	ptr := im.bits / 8
	for d := int(im.dirs[dirImport][0]); getN(mapped, d+12, 4) != 0; d += 20 {
		for at := int(getN(mapped, d, 4)); getN(mapped, at, ptr) != 0; at += ptr {
			entries = append(entries, getN(mapped, at, ptr))
		}
	}
	return func(_, _ string) uint64 {
		e := entries[0]
		entries = entries[1:]
		return e
	}
}

// TestChecksum compares with an executable's stored checksum computed anew.
func TestChecksum(t *testing.T) {
	file := bytes.Clone(NewProgram(Program{Name: "sum.exe", Bits: 32}).File)
	at := peOffset + peHeaderBytes + 64
	stored := binary.LittleEndian.Uint32(file[at:])
	clear(file[at : at+4])
	if got := checksum(file); got != stored || got == 0 {
		t.Errorf("checksum %#x, stored %#x", got, stored)
	}
}

func TestPEAlignments(t *testing.T) {
	p := PE{
		Bits: 32, Base: 0x400000, SectionAlign: 0x200, FileAlign: 0x200,
		Sections: []PESection{{Name: ".text", Data: make([]byte, 0x301), Flags: SectionCode}, {Name: ".data", Data: []byte{1}, Flags: SectionData}},
		Overlay:  []byte("after the end"),
	}
	b := p.Bytes()
	im, err := parseImage(b)
	if err != nil {
		t.Fatal(err)
	}
	if im.sections[1].va != p.RVA(1) || p.RVA(1)%0x200 != 0 || p.RVA(1)%0x1000 == 0 {
		t.Errorf("second section at %#x, RVA says %#x", im.sections[1].va, p.RVA(1))
	}
	if !bytes.HasSuffix(b, p.Overlay) {
		t.Error("the overlay is not at the end")
	}
}

// FuzzParseImage checks that a damaged file is refused or mapped, and never makes a panic.
func FuzzParseImage(f *testing.F) {
	f.Add(NewProgram(Program{Name: "seed.exe", Bits: 32}).File)
	f.Add(NewProgram(Program{Name: "seed.exe", Bits: 64}).File)
	f.Fuzz(func(t *testing.T, file []byte) {
		im, err := parseImage(file)
		if err != nil || im.size > 1<<20 {
			return
		}
		if got := im.mapped(); len(got) != im.pages()*pageSize {
			t.Errorf("%d bytes mapped, want %d pages", len(got), im.pages())
		}
	})
}
