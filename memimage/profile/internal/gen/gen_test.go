package main

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"

	"memlens/memimage/profile/internal/layout"
)

func TestDataAreUpToDate(t *testing.T) {
	made, err := generate("../../data")
	if err != nil || len(made) != 2 {
		t.Fatalf("%d files: %v", len(made), err)
	}
	for name, got := range made {
		if want, err := os.ReadFile("../../data/" + name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("go generate makes another %s, of %d bytes (%v)", name, len(got), err)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, c := range []struct {
		name string
		nt   []uint32
		want layout.Version
	}{
		{"WinXPSP3x86", []uint32{5, 1, 0}, layout.Version{5, 1, 2600, 5512}},
		{"Win2003SP0x86", []uint32{5, 2, 3789}, layout.Version{5, 2, 3790, 0}},
		{"Win2003SP2x64", []uint32{5, 2, 3791}, layout.Version{5, 2, 3790, 3959}},
		{"Win7SP1x64_24000", []uint32{6, 1, 7601}, layout.Version{6, 1, 7601, 24000}},
		{"Win81U1x64", []uint32{6, 3, 17031}, layout.Version{6, 3, 9600, 17031}},
		{"Win10x64_10240_17770", []uint32{6, 4, 10240}, layout.Version{10, 0, 10240, 17770}},
		{"Win10x64_19041", []uint32{6, 4, 19041}, layout.Version{10, 0, 19041, 0}},
	} {
		if got := (entry{NTVersion: c.nt}).version(c.name); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestParseOverlay(t *testing.T) {
	got, err := parseOverlay("# remark\n\n_A x64 3790- 0x10\n\t8 Low unsigned long 4:3\n\t0 Next ptr _A\n_B any - 0\n")
	want := []overlaid{
		{layout.Struct{Name: "_A", Size: 16, Fields: []layout.Field{
			{Name: "Low", Type: "unsigned long", Offset: 8, BitPos: 4, Bits: 3}, {Name: "Next", Type: "ptr _A"},
		}}, layout.X64, 3790, 1<<32 - 1},
		{layout.Struct{Name: "_B"}, 0, 0, 1<<32 - 1},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestParseOverlayNamesTheBadLine(t *testing.T) {
	for _, bad := range []string{"_A x64 1-2", "_A ppc - 0", "_A x64 a-2 0", "_A any - 0\n\t0 Next", "_A any - 0\n\tx Next long", "_A any - 0\n\t0 Next long x:1"} {
		if _, err := parseOverlay("#\n" + bad); err == nil || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestParseBuild(t *testing.T) {
	base := layout.Table{
		Header:  layout.Header{Name: "base", Arch: layout.X64, KDBG: 896},
		Structs: []layout.Struct{{Name: "_A", Size: 8, Fields: []layout.Field{{Name: "a"}}}, {Name: "_B", Size: 8}, {Name: "_C", Size: 8}},
	}
	got, err := parseBuild("# remark\nname new\nversion 10.0.26100.0\nfrom base\nkeep _A _B:0x10\n_D any - 4\n\t0 d long\n", []layout.Table{base})
	want := layout.Table{
		Header:  layout.Header{Name: "new", Arch: layout.X64, KDBG: 896, Version: layout.Version{10, 0, 26100, 0}, Source: got.Source},
		Structs: []layout.Struct{base.Structs[0], {Name: "_B", Size: 16}, {Name: "_D", Size: 4, Fields: []layout.Field{{Name: "d", Type: "long"}}}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"from nothing", "keep _A", "from base\nkeep _X", "from base\nkeep _A:x", "version 1.2", "version 1.2.3.x", "from base\nkeep _A\n_A any - 0"} {
		if _, err := parseBuild(bad, []layout.Table{base}); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestParseBuildByChanges(t *testing.T) {
	tables := []layout.Table{{
		Header:  layout.Header{Name: "base", Arch: layout.X64, Version: layout.Version{10, 0, 10240, 17770}},
		Structs: []layout.Struct{{Name: "_A", Size: 8, Fields: []layout.Field{{Name: "a"}, {Name: "b", Offset: 4}, {Name: "c", Offset: 6}}}, {Name: "_B", Size: 8}},
	}}
	got, err := parseBuild("name new\nversion 10.0.10240.16384\nfrom base\nsince 10.0.10240.17738\nkeep *\ndrop _A.c\nchange _A\n_A any - 4\n\t2 b long\n", tables)
	want := []layout.Struct{{Name: "_A", Size: 4, Fields: []layout.Field{{Name: "a"}, {Name: "b", Type: "long", Offset: 2}}}, {Name: "_B", Size: 8}}
	if err != nil || !reflect.DeepEqual(got.Structs, want) {
		t.Errorf("%+v, %v", got.Structs, err)
	}
	if base := tables[0]; base.Version != (layout.Version{10, 0, 10240, 17738}) || len(base.Structs[0].Fields) != 3 || base.Structs[0].Fields[1].Offset != 4 {
		t.Errorf("the base became %+v", base)
	}
	for _, bad := range []string{"since 10.0.1.1", "from base\nsince 10", "from base\nkeep *\ndrop _A.x", "from base\ndrop _A.a", "from base\nkeep *\n_A any - 4"} {
		if _, err := parseBuild(bad, tables); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}
