package main

import (
	"bufio"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ulikunitz/xz"

	"memlens/memimage/profile/internal/layout"
)

// entry is one member of "versions" in the JSON.
type entry struct {
	SourceKind string   `json:"source_kind"`
	File       string   `json:"vtype_file"`
	Arch       string   `json:"arch"`
	Aliases    []string `json:"aliases"`
	NTVersion  []uint32 `json:"nt_version"`
	Versions   []string `json:"versions"`
	KDBGSize   uint32   `json:"kdbg_size"`
	PAE        *bool    `json:"pae_layout"`
	Kernels    []kernel `json:"kernels"`
	Structs    map[string]structure
}

type kernel struct {
	GUID     string
	Age      uint32
	File     string
	Versions []string
	Symbols  map[string]uint32
}

type structure struct {
	Size   uint32
	Fields map[string]field
}

// field is [offset, type] or [offset, type, first bit, bits].
type field struct {
	offset int64
	typ    string
	pos    uint8
	bits   uint8
}

func (f *field) UnmarshalJSON(b []byte) error {
	parts := []any{&f.offset, &f.typ, &f.pos, &f.bits}
	return json.Unmarshal(b, &parts)
}

// readOffsets returns the tables of the JSON, and the file that each comes from, by the name of the table.
func readOffsets(path string) (tables []layout.Table, files map[string]string, err error) {
	entries, err := readEntries(path)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	files = map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		t, err := entries[key].table(key)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %s: %w", path, key, err)
		}
		tables = append(tables, t)
		files[t.Name] = entries[key].File
	}
	slices.SortStableFunc(tables, byVersion)
	return tables, files, nil
}

func readEntries(path string) (map[string]entry, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	plain, err := xz.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, err
	}
	var all struct{ Versions map[string]entry }
	err = json.NewDecoder(plain).Decode(&all)
	return all.Versions, err
}

func byVersion(a, b layout.Table) int {
	return cmp.Or(slices.Compare(a.Version[:], b.Version[:]), cmp.Compare(a.Arch, b.Arch), cmp.Compare(a.Name, b.Name))
}

func (e entry) table(key string) (layout.Table, error) {
	t := layout.Table{Header: layout.Header{Source: e.SourceKind, Aliases: e.Aliases, KDBG: e.KDBGSize, PTE: e.pte()}}
	t.Arch = map[string]uint8{"x86": layout.X86, "x64": layout.X64}[e.Arch]
	for name, s := range e.Structs {
		t.Structs = append(t.Structs, s.layout(name))
	}
	for _, k := range e.Kernels {
		lk, err := k.layout()
		if err != nil {
			return t, err
		}
		t.Kernels = append(t.Kernels, lk)
	}
	slices.SortFunc(t.Kernels, func(a, b layout.Kernel) int {
		return cmp.Or(slices.Compare(a.Version[:], b.Version[:]), slices.Compare(a.GUID[:], b.GUID[:]))
	})
	if name, ok := strings.CutPrefix(key, "v2_"); ok {
		t.Name, t.Version = name, e.version(name)
		return t, nil
	}
	t.Version = t.Kernels[0].Version
	t.Name = fmt.Sprintf("%s%s_%d.%d", families[t.Version[2]], e.Arch, t.Version[2], t.Version[3])
	return t, nil
}

// families are the beginnings of Volatility's names, by build, for the tables that have no such name.
var families = map[uint32]string{
	7601: "Win7SP1", 9600: "Win8SP1", 14393: "Win10", 17763: "Win10", 18362: "Win10", 19041: "Win10",
	20348: "Win2022", 22000: "Win11",
}

func (e entry) pte() uint8 {
	switch {
	case e.PAE == nil:
		return layout.PTEUnknown
	case *e.PAE:
		return layout.PTEPAE
	}
	return layout.PTEClassic
}

// revisions is the last part of the kernel's file version as released, by the beginning of the profile's name.
var revisions = []struct {
	prefix   string
	revision uint32
}{
	{"WinXPSP2", 2180}, {"WinXPSP3", 5512},
	{"Win2003SP1", 1830}, {"Win2003SP2", 3959},
	{"VistaSP0", 16386}, {"VistaSP1", 18000}, {"VistaSP2", 18005},
	{"Win7SP0", 16385}, {"Win7SP1", 17514},
	{"Win8SP0", 16384}, {"Win8SP1", 16384}, {"Win81U1", 17031},
}

var revisionSuffix = regexp.MustCompile(`_(\d{5})$`)

// version undoes Volatility's conventions: 6.4 is Windows 10, XP has no build, the service packs of 2003 are counted
// by the build, and 8.1 Update 1 is known by its revision. A profile named after a revision has that revision.
func (e entry) version(name string) layout.Version {
	v := layout.Version{e.NTVersion[0], e.NTVersion[1], e.NTVersion[2], 0}
	switch {
	case v[0] == 6 && v[1] == 4:
		v[0], v[1] = 10, 0
	case v[0] == 5 && v[1] == 1:
		v[2] = 2600
	case v[0] == 5 && v[1] == 2:
		v[2] = 3790
	case v[2] == 17031:
		v[2] = 9600
	}
	for _, r := range revisions {
		if strings.HasPrefix(name, r.prefix) {
			v[3] = r.revision
		}
	}
	if m := revisionSuffix.FindStringSubmatch(name); m != nil {
		if n, _ := strconv.ParseUint(m[1], 10, 32); uint32(n) != v[2] {
			v[3] = uint32(n)
		}
	}
	return v
}

// layout leaves out members before the structure: Volatility's name for the pool tag in front of it.
func (s structure) layout(name string) layout.Struct {
	out := layout.Struct{Name: name, Size: s.Size}
	for field, f := range s.Fields {
		if name == "_KDDEBUGGER_DATA64" && strings.HasPrefix(f.typ, "ptr ") {
			f.typ = "unsigned long long" // its pointers have 64 bits in 32-bit kernels too
		}
		if f.offset >= 0 {
			out.Fields = append(out.Fields, layout.Field{Name: field, Type: f.typ, Offset: uint32(f.offset), BitPos: f.pos, Bits: f.bits})
		}
	}
	return out
}

func (k kernel) layout() (layout.Kernel, error) {
	out := layout.Kernel{Age: k.Age, PDB: strings.Split(k.File, "/")[2]}
	if n, err := hex.Decode(out.GUID[:], []byte(k.GUID)); err != nil || n != 16 {
		return out, fmt.Errorf("GUID %q: %v", k.GUID, err)
	}
	var err error
	if out.Version, err = parseVersion(k.Versions[0]); err != nil {
		return out, err
	}
	if out.Version[2] == 18326 { // a misprint of 18362 in the list the versions come from
		out.Version[2] = 18362
	}
	for name, rva := range k.Symbols {
		out.Symbols = append(out.Symbols, layout.Symbol{Name: name, RVA: rva})
	}
	return out, nil
}
