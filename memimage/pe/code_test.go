package pe

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"memlens/memimage/sparse"
)

// hybrid returns a file of testdata. A linker made it from ARM64EC code, alone (arm64ec.dll) or with ARM64 code
// (arm64x.dll).
func hybrid(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// headerAt returns the offset of the file header.
func headerAt(b []byte) int { return int(binary.LittleEndian.Uint32(b[0x3c:])) }

// offsetOf returns the file offset of an RVA.
func offsetOf(t testing.TB, b []byte, rva uint32) int {
	t.Helper()
	f, err := Open(sparse.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range f.Sections {
		if rva >= s.VirtualAddress && rva-s.VirtualAddress < s.SizeOfRawData {
			return int(rva - s.VirtualAddress + s.PointerToRawData)
		}
	}
	t.Fatalf("no section has RVA %#x", rva)
	return 0
}

// configOf returns the file offset of the load configuration.
func configOf(t testing.TB, b []byte) int {
	t.Helper()
	f, err := Open(sparse.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	return offsetOf(t, b, f.Directory(dirConfig).Address)
}

// hotPatchTable is the RVA of the end of the load configuration of arm64ec.dll.
const hotPatchTable = 0x3000 + 0x100

// TestCode reads the description of the code of images, as a linker made them and with changes.
func TestCode(t *testing.T) {
	u16, u32 := binary.LittleEndian.PutUint16, binary.LittleEndian.PutUint32
	hotPatch := func(t *testing.T, b []byte, version, size uint32) {
		at := configOf(t, b) + 0x100 // its contents are not read
		u32(b[configOf(t, b)+0xf0:], hotPatchTable)
		for i, v := range []uint32{version, size, 7, 0x4240, 2} {
			u32(b[at+4*i:], v)
		}
	}
	for name, c := range map[string]struct {
		file   string
		change func(t *testing.T, b []byte)
		kinds  []string
		patch  *HotPatch
		err    string
	}{
		"ARM64EC":                     {file: "arm64ec.dll", kinds: []string{CodeARM64EC}},
		"ARM64X":                      {file: "arm64x.dll", kinds: []string{CodeARM64EC, CodeARM64X}},
		"ARM64X, by its machine type": {file: "arm64x.dll", change: func(t *testing.T, b []byte) { u16(b[configOf(t, b)+0xe4:], 0) }, kinds: []string{CodeARM64EC, CodeARM64X}},
		"ARM64X, loaded as x64":       {file: "arm64x.dll", change: func(_ *testing.T, b []byte) { u16(b[headerAt(b)+4:], 0x8664) }, kinds: []string{CodeARM64EC, CodeARM64X}},
		"x64":                         {file: "../../integrity/testdata/library64.dll"},
		"x86":                         {file: "../../integrity/testdata/library32.dll"},
		"an object file's type":       {file: "../../integrity/testdata/library32.dll", change: func(_ *testing.T, b []byte) { u16(b[headerAt(b)+4:], 0x3a64) }, kinds: []string{CodeCHPE}},
		"a section of KASAN": {file: "../../integrity/testdata/library64.dll", change: func(_ *testing.T, b []byte) {
			copy(b[headerAt(b)+0x18+0xf0:], "KASAN\x00\x00\x00")
		}, kinds: []string{CodeKASAN}},
		"no metadata":                            {file: "arm64ec.dll", change: func(t *testing.T, b []byte) { clear(b[configOf(t, b)+0xc8:][:8]) }},
		"a configuration that ends before":       {file: "arm64ec.dll", change: func(t *testing.T, b []byte) { u32(b[configOf(t, b):], 0xcf) }},
		"a configuration that just reaches it":   {file: "arm64ec.dll", change: func(t *testing.T, b []byte) { u32(b[configOf(t, b):], 0xd0) }, kinds: []string{CodeARM64EC}},
		"metadata outside of the image":          {file: "arm64ec.dll", change: func(t *testing.T, b []byte) { u32(b[configOf(t, b)+0xc8:], 0x7fff0000) }, err: "not in the image"},
		"no load configuration":                  {file: "arm64x.dll", change: func(_ *testing.T, b []byte) { clear(b[headerAt(b)+0x18+0x70+8*dirConfig:][:8]) }},
		"a load configuration that is not there": {file: "arm64x.dll", change: func(_ *testing.T, b []byte) { u32(b[headerAt(b)+0x18+0x70+8*dirConfig:], 0x700000) }, err: "cannot be read"},
		"dynamic relocations in no section":      {file: "arm64x.dll", change: func(t *testing.T, b []byte) { u16(b[configOf(t, b)+0xe4:], 9); u16(b[headerAt(b)+4:], 0x8664) }, kinds: []string{CodeARM64EC}, err: "section 9 of 6"},
		"dynamic relocations of another version": {file: "arm64x.dll", change: func(t *testing.T, b []byte) { b[offsetOf(t, b, 0x700c)] = 2; u16(b[headerAt(b)+4:], 0x8664) }, kinds: []string{CodeARM64EC}, err: "version 2"},
		"dynamic relocations of another kind":    {file: "arm64x.dll", change: func(t *testing.T, b []byte) { b[offsetOf(t, b, 0x7014)] = 3; u16(b[headerAt(b)+4:], 0x8664) }, kinds: []string{CodeARM64EC}},
		"a hot patch":                            {file: "arm64ec.dll", change: func(t *testing.T, b []byte) { hotPatch(t, b, 3, 28) }, kinds: []string{CodeARM64EC}, patch: &HotPatch{hotPatchTable, 3, 7, 2}},
		"a hot patch of no version":              {file: "arm64ec.dll", change: func(t *testing.T, b []byte) { hotPatch(t, b, 0, 28) }, kinds: []string{CodeARM64EC}, err: "no table of hot patches"},
		"a hot patch that is not there":          {file: "arm64ec.dll", change: func(t *testing.T, b []byte) { u32(b[configOf(t, b)+0xf0:], 0x900000) }, kinds: []string{CodeARM64EC}, err: "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			b := hybrid(t, c.file)
			if c.change != nil {
				c.change(t, b)
			}
			f, err := Open(sparse.Bytes(b))
			if err != nil {
				t.Fatal(err)
			}
			code, err := f.Code()
			if !slices.Equal(code.Kinds, c.kinds) || !reflect.DeepEqual(code.HotPatch, c.patch) {
				t.Errorf("%+v, want %v and %+v", code, c.kinds, c.patch)
			}
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}

// TestCodeOf32Bits changes the load configuration of an x86 image. Its members have other offsets.
func TestCodeOf32Bits(t *testing.T) {
	b := hybrid(t, "../../integrity/testdata/library32.dll")
	f, err := Open(sparse.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	s := f.Sections[0] // the configuration lies at its start
	binary.LittleEndian.PutUint32(b[headerAt(b)+0x18+0x60+8*dirConfig:], s.VirtualAddress)
	binary.LittleEndian.PutUint32(b[headerAt(b)+0x18+0x60+8*dirConfig+4:], 0x40)
	at := b[s.PointerToRawData:]
	clear(at[:0xa0])
	binary.LittleEndian.PutUint32(at, 0xa0)
	binary.LittleEndian.PutUint32(at[0x7c:], uint32(f.ImageBase)+s.VirtualAddress+0x10)
	if f, err = Open(sparse.Bytes(b)); err != nil {
		t.Fatal(err)
	}
	if code, err := f.Code(); err != nil || !slices.Equal(code.Kinds, []string{CodeCHPE}) {
		t.Errorf("%+v, %v", code, err)
	}
}

// FuzzCode changes a part of an image: nothing may panic or go on for ever, and no kind may come twice.
func FuzzCode(f *testing.F) {
	b := hybrid(f, "arm64x.dll")
	f.Add(uint16(configOf(f, b)), []byte{0x40})
	f.Add(uint16(configOf(f, b)+0xc8), []byte{0xff, 0xff})
	f.Add(uint16(offsetOf(f, b, 0x700c)), []byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, at uint16, with []byte) {
		b := slices.Clone(b)
		copy(b[int(at)%len(b):], with)
		file, err := Open(sparse.Bytes(b))
		if err != nil {
			return
		}
		code, _ := file.Code()
		slices.Sort(code.Kinds)
		if len(slices.Compact(slices.Clone(code.Kinds))) != len(code.Kinds) {
			t.Errorf("%v", code.Kinds)
		}
	})
}
