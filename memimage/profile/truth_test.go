package profile

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"fmt"
	"math/bits"
	"testing"
)

// The kinds of statements in testdata/kernel.c.
const (
	truthStruct = iota // size
	truthMember        // offset, size
	truthBits          // value: of the structure when all bits of the field are set
	truthSymbol        // value: address relative to the image
)

// statement is one row of the section "truth" of a program made from testdata/kernel.c: numbers from the compiler
// about a structure, a member by its path, or a symbol.
type statement struct {
	name               string
	kind, offset, size uint32
	value              uint64
}

// readTruth gives the statements of a program, and the identity of its PDB file.
func readTruth(t testing.TB, exe string) (out []statement, id Identity) {
	t.Helper()
	f, err := pe.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := f.Section("truth").Data()
	if err != nil {
		t.Fatal(err)
	}
	var base uint64
	switch h := f.OptionalHeader.(type) {
	case *pe.OptionalHeader64:
		base = h.ImageBase
	case *pe.OptionalHeader32:
		base = uint64(h.ImageBase)
	}
	for ; len(data) >= 128 && data[0] != 0; data = data[128:] {
		s := statement{
			name: string(data[:bytes.IndexByte(data, 0)]), kind: binary.LittleEndian.Uint32(data[96:]),
			offset: binary.LittleEndian.Uint32(data[100:]), size: binary.LittleEndian.Uint32(data[104:]),
			value: binary.LittleEndian.Uint64(data[112:]),
		}
		if s.kind == truthSymbol {
			s.value -= base
		}
		out = append(out, s)
	}
	if len(out) < 50 {
		t.Fatalf("%s: %d statements", exe, len(out))
	}
	return out, rsdsOf(t, f)
}

// rsdsOf finds the RSDS record: in so small a program nothing else begins with these letters.
func rsdsOf(t testing.TB, f *pe.File) Identity {
	t.Helper()
	for _, s := range f.Sections {
		data, err := s.Data()
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.Index(data, []byte("RSDS")); i >= 0 {
			r := data[i:]
			return NewIdentity(string(r[24:24+bytes.IndexByte(r[24:], 0)]), [16]byte(r[4:20]), binary.LittleEndian.Uint32(r[20:]))
		}
	}
	t.Fatal("no RSDS record")
	return Identity{}
}

// check compares a statement with a profile.
func (s statement) check(p *Profile) error {
	if s.kind == truthStruct {
		if size, ok := p.SizeOf(s.name); !ok || size != int64(s.size) {
			return fmt.Errorf("%s: %d bytes, %v; the compiler says %d", s.name, size, ok, s.size)
		}
		return nil
	}
	if s.kind == truthSymbol {
		if rva, ok := p.Symbol(s.name); !ok || rva != s.value {
			return fmt.Errorf("%s: at %#x, %v; the linker says %#x", s.name, rva, ok, s.value)
		}
		return nil
	}
	f, ok := p.Field(s.name)
	switch {
	case !ok:
		return fmt.Errorf("%s: not found", s.name)
	case s.kind == truthMember && (f.Offset != int64(s.offset) || f.Size != int64(s.size) || f.Bits != 0):
		return fmt.Errorf("%s: %+v; the compiler says offset %d, size %d", s.name, f, s.offset, s.size)
	case s.kind == truthBits && (int(f.Bits) != bits.OnesCount64(s.value) || int(f.Offset)*8+int(f.BitPos) != bits.TrailingZeros64(s.value)):
		return fmt.Errorf("%s: %+v; the compiler says %#x", s.name, f, s.value)
	}
	return nil
}
