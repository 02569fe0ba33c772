package pdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"memlens/memimage/profile/internal/layout"
)

func all(string) bool { return true }

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func open(t testing.TB, b []byte) *File {
	t.Helper()
	f, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// readAll reads everything, or gives the first error.
func readAll(b []byte) ([]layout.Struct, []layout.Symbol, error) {
	f, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, nil, err
	}
	structs, err := f.Structs(all)
	if err != nil {
		return nil, nil, err
	}
	symbols, err := f.Publics(all)
	return structs, symbols, err
}

func TestOpen(t *testing.T) {
	for name, machine := range map[string]uint16{"kernel_x64": MachineX64, "kernel_x86": MachineX86} {
		f := open(t, sample(t, name+".pdb"))
		if f.Machine != machine || f.Age != 1 {
			t.Errorf("%s: machine %#x, age %d", name, f.Machine, f.Age)
		}
		if !bytes.Contains(sample(t, name+".exe"), append([]byte("RSDS"), f.GUID[:]...)) {
			t.Errorf("%s: the program names another GUID than %x", name, f.GUID)
		}
	}
}

func TestStructsWanted(t *testing.T) {
	f := open(t, sample(t, "kernel_x64.pdb"))
	structs, err := f.Structs(func(name string) bool { return name == "_KPROCESS" || name == "_NOT_THERE" })
	if err != nil || len(structs) != 1 || structs[0].Name != "_KPROCESS" || structs[0].Size != 56 {
		t.Errorf("%+v, %v", structs, err)
	}
}

// The names have underscores in front in the 32-bit file.
func TestPublics(t *testing.T) {
	for _, name := range []string{"kernel_x64.pdb", "kernel_x86.pdb"} {
		symbols, err := open(t, sample(t, name)).Publics(func(name string) bool { return strings.HasPrefix(name, "Ps") || name == "KiSystemStartup" })
		if err != nil || len(symbols) != 3 {
			t.Errorf("%s: %+v, %v", name, symbols, err)
		}
	}
}

func TestNotAPDBFile(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing": nil, "text": []byte("hello"), "zeros": make([]byte, 1<<16),
		"version 2": []byte("Microsoft C/C++ program database 2.00\r\n\x1aJG\x00\x00" + strings.Repeat("\x00", 100)),
	} {
		if _, err := Open(bytes.NewReader(b), int64(len(b))); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A file that ends early is an error at every place, unless the bytes that are left out are never read.
func TestEveryCut(t *testing.T) {
	whole := sample(t, "kernel_x64.pdb")
	structs, symbols, err := readAll(whole)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(whole); n += 512 {
		s, y, err := readAll(whole[:n])
		if err == nil && (!reflect.DeepEqual(s, structs) || !reflect.DeepEqual(y, symbols)) {
			t.Fatalf("%#x of %#x bytes: no error, but something else", n, len(whole))
		}
	}
}

// stomp writes a number into a copy of a file.
func stomp(b []byte, at int, v uint32) []byte {
	b = bytes.Clone(b)
	binary.LittleEndian.PutUint32(b[at:], v)
	return b
}

func TestDamagedHeader(t *testing.T) {
	whole := sample(t, "kernel_x64.pdb")
	for name, b := range map[string][]byte{
		"block size 0":                  stomp(whole, 32, 0),
		"block size not a power of two": stomp(whole, 32, 4095),
		"block size huge":               stomp(whole, 32, 1<<31),
		"directory larger than file":    stomp(whole, 44, 1<<30),
		"directory of nothing":          stomp(whole, 44, 0),
		"directory map outside":         stomp(whole, 52, 1<<30),
	} {
		if _, _, err := readAll(b); err == nil || errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRelocate(t *testing.T) {
	moves := []move{{0x1000, 0x5000}, {0x1100, 0}, {0x1200, 0x2000}}
	for _, c := range []struct {
		offset uint32
		moves  []move
		want   uint32
		ok     bool
	}{
		{0x10, nil, 0x1010, true},
		{0x10, moves, 0x5010, true},
		{0x100, moves, 0, false},
		{0x1ff, moves, 0, false},
		{0x200, moves, 0x2000, true},
		{0x999, moves, 0x2799, true},
		{0xfffff000, nil, 0, false},
	} {
		if got, ok := relocate(section{rva: 0x1000}, c.offset, c.moves); ok != c.ok || ok && got != c.want {
			t.Errorf("%#x: %#x, %v", c.offset, got, ok)
		}
	}
	if _, ok := relocate(section{rva: 0x10}, 0, moves); ok {
		t.Error("before the first move")
	}
}

func TestNumeric(t *testing.T) {
	for _, c := range []struct {
		b    string
		want uint64
		bad  bool
	}{
		{"\x34\x12", 0x1234, false},
		{"\x00\x80\x7f", 0x7f, false},
		{"\x02\x80\xff\xff", 0xffff, false},
		{"\x04\x80\x78\x56\x34\x12", 0x12345678, false},
		{"\x0a\x80\x01\x00\x00\x00\x00\x00\x00\x80", 1<<63 | 1, false},
		{"\x05\x80\x00\x00\x00\x00", 0, true}, // a floating-point number
		{"\x04\x80\x78", 0, true},
		{"", 0, true},
	} {
		r := cursor{b: []byte(c.b)}
		if got := r.numeric(); got != c.want || r.bad != c.bad {
			t.Errorf("%q: %#x, %v", c.b, got, r.bad)
		}
	}
}

// FuzzTypes reads type streams, whose records may refer to each other in circles.
func FuzzTypes(f *testing.F) {
	p := open(f, sample(f, "kernel_x64.pdb"))
	b, err := p.msf.stream(streamTPI)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[56:4096])
	f.Add(b[len(b)-4096:])
	f.Fuzz(func(t *testing.T, records []byte) {
		head := binary.LittleEndian.AppendUint32(nil, 20040203)
		for _, v := range []uint32{20, 0x1000, 0x1000 + uint32(len(records)), uint32(len(records))} {
			head = binary.LittleEndian.AppendUint32(head, v)
		}
		types, err := openTypes(append(head, records...))
		if err != nil {
			return
		}
		for _, s := range types.structs(all) {
			if len(s.Fields) > layout.MaxMembers {
				t.Errorf("%s has %d members", s.Name, len(s.Fields))
			}
		}
	})
}

func FuzzOpen(f *testing.F) {
	whole := sample(f, "kernel_x86.pdb")
	f.Add(whole)
	f.Add(whole[:8192])
	f.Add(stomp(whole, 32, 512))
	f.Fuzz(func(t *testing.T, b []byte) {
		structs, symbols, err := readAll(b)
		again, symbolsAgain, errAgain := readAll(b)
		if (err == nil) != (errAgain == nil) || !reflect.DeepEqual(structs, again) || !reflect.DeepEqual(symbols, symbolsAgain) {
			t.Error("not the same again")
		}
	})
}

func BenchmarkStructs(b *testing.B) {
	f := open(b, sample(b, "kernel_x64.pdb"))
	for b.Loop() {
		if _, err := f.Structs(all); err != nil {
			b.Fatal(err)
		}
	}
}
