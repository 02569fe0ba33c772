package layout

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

func sample() []Table {
	links := Struct{Name: "_LIST_ENTRY", Size: 8, Fields: []Field{
		{Name: "Flink", Type: "ptr _LIST_ENTRY"}, {Name: "Blink", Type: "ptr _LIST_ENTRY", Offset: 4},
	}}
	flags := Struct{Name: "_FLAGS", Size: 4, Fields: []Field{{Name: "Type", Type: "unsigned long", BitPos: 4, Bits: 3}}}
	kernel := Kernel{PDB: "nt.pdb", GUID: [16]byte{1, 2, 0xff}, Age: 300, Version: Version{10, 0, 19041, 1}, Symbols: []Symbol{{"B", 1 << 31}, {"A", 2}}}
	tables := []Table{
		{Header{Name: "one", Aliases: []string{"uno", "ein"}, Source: "here", Arch: X86, PTE: PTEPAE, KDBG: 656, Version: Version{5, 1, 2600, 2180}}, []Struct{links, flags}},
		{Header{Name: "two", Source: "here", Arch: X64, Version: Version{10, 0, 19041, 0}, Kernels: []Kernel{kernel}}, []Struct{flags}},
		{Header: Header{Name: "empty"}},
	}
	for i := range tables {
		tables[i].Normalize()
	}
	return tables
}

// decode reads all of an archive, or its first error.
func decode(b []byte) ([]Table, error) {
	a, err := Open(b)
	if err != nil {
		return nil, err
	}
	var out []Table
	for i := range a.Len() {
		h, err := a.Header(i)
		if err != nil {
			return nil, err
		}
		structs, err := a.Structs(i)
		if err != nil {
			return nil, err
		}
		out = append(out, Table{h, structs})
	}
	return out, nil
}

func TestEncodeAndBack(t *testing.T) {
	b := Encode(sample())
	got, err := decode(b)
	if err != nil || !reflect.DeepEqual(got, sample()) {
		t.Errorf("%+v, %v", got, err)
	}
	if !bytes.Equal(b, Encode(sample())) {
		t.Error("not the same bytes again")
	}
}

func TestField(t *testing.T) {
	s := sample()[0].Structs[1]
	if f, ok := s.Field("Blink"); !ok || f.Offset != 4 {
		t.Errorf("%+v", f)
	}
	if _, ok := s.Field("Link"); ok {
		t.Error("found what is not there")
	}
}

func TestUndecorated(t *testing.T) {
	for symbol, want := range map[string]string{
		"PsActiveProcessHead":            "PsActiveProcessHead",
		"?SmGlobals@@3U_SM_GLOBALS@@A":   "SmGlobals",
		"?Storage@SC_DISK@@3HA":          "?Storage@SC_DISK@@3HA", // inside a class
		"?Read@@YAHXZ":                   "?Read@@YAHXZ",          // a function
		"??3SC_ENV_ALLOCATOR@@SAXPEAX@Z": "??3SC_ENV_ALLOCATOR@@SAXPEAX@Z",
		"?@@3HA":                         "?@@3HA",
		"Odd@@3HA":                       "Odd@@3HA",
		"":                               "",
	} {
		if got := Undecorated(symbol); got != want {
			t.Errorf("%q: %q, want %q", symbol, got, want)
		}
	}
}

func TestEveryCutIsAnError(t *testing.T) {
	whole := Encode(sample())
	for n := range whole {
		if _, err := decode(whole[:n]); !errors.Is(err, ErrArchive) {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
	if _, err := decode(append(whole, 0)); !errors.Is(err, ErrArchive) {
		t.Error("a byte too many:", err)
	}
}

func TestItemsThatAreNotThere(t *testing.T) {
	a, err := Open(Encode(sample()))
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{-1, 3, 1 << 30} {
		if _, err := a.Header(i); !errors.Is(err, ErrArchive) {
			t.Errorf("header %d: %v", i, err)
		}
		if _, err := a.Structs(i); !errors.Is(err, ErrArchive) {
			t.Errorf("structures %d: %v", i, err)
		}
	}
}

// A small archive must not decode to a large table: here one structure of many members, many times over.
func TestMembersAreBounded(t *testing.T) {
	big := Struct{Name: "big", Fields: make([]Field, 1000)}
	many := Table{Structs: make([]Struct, 1000)}
	for i := range many.Structs {
		many.Structs[i] = big
	}
	if _, err := decode(Encode([]Table{many})); !errors.Is(err, ErrArchive) {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	whole := Encode(sample())
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		tables, err := decode(b)
		if err != nil {
			if !errors.Is(err, ErrArchive) {
				t.Error(err)
			}
			return
		}
		again, err := decode(Encode(tables))
		if err != nil || !reflect.DeepEqual(again, tables) {
			t.Errorf("another table after coding it again: %v", err)
		}
	})
}
