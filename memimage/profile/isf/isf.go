// Package isf reads Volatility 3 symbol tables: JSON in the intermediate symbol format, plain or compressed with gzip
// or xz.
//
// Package profile above chooses the file and the names that are wanted; the rest of the file, which may have 50 MB, is
// skipped as it streams by. Below lie decoders for JSON and xz.
package isf

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/ulikunitz/xz"

	"memlens/memimage/profile/internal/layout"
)

// MaxSize bounds the JSON of a symbol table in bytes, once decompressed.
const MaxSize = 1 << 29

// ErrFormat is wrapped by errors about files that are not symbol tables of a Windows kernel.
var ErrFormat = errors.New("isf: not a symbol table of a Windows kernel")

// Wanted says which structures and symbols to keep.
type Wanted struct{ Struct, Symbol func(name string) bool }

// Read takes the wanted structures and symbols from a symbol table. The table returned has one kernel, of no known
// version unless the file states it, and no name.
func Read(r io.Reader, want Wanted) (layout.Table, error) {
	plain, err := decompress(r)
	if err != nil {
		return layout.Table{}, err
	}
	limited := &io.LimitedReader{R: plain, N: MaxSize}
	d := decoder{
		in:   jsontext.NewDecoder(limited, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)),
		want: want, types: map[string]userType{}, enums: map[string]string{},
	}
	err = d.object(d.top)
	if err != nil && limited.N <= 0 {
		err = fmt.Errorf("more than %d bytes", MaxSize)
	}
	if err != nil {
		return layout.Table{}, fmt.Errorf("isf: offset %#x: %w", d.in.InputOffset(), err)
	}
	return d.table()
}

// decompress looks at the first bytes, not at the name of the file.
func decompress(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 1<<16)
	start, _ := b.Peek(6)
	switch {
	case bytes.HasPrefix(start, []byte("\x1f\x8b")):
		return gzip.NewReader(b)
	case string(start) == "\xfd7zXZ\x00":
		return xz.NewReader(b)
	}
	return b, nil
}

// table makes the table from the decoded parts.
func (d *decoder) table() (layout.Table, error) {
	if len(d.structs) == 0 {
		return layout.Table{}, fmt.Errorf("%w: none of the structures wanted", ErrFormat)
	}
	t := layout.Table{Header: layout.Header{Source: "Volatility 3 symbol table", Arch: d.arch()}}
	pdb := d.meta.Windows.PDB
	k := layout.Kernel{PDB: pdb.Database, Age: pdb.Age, Version: d.meta.version(), Symbols: d.symbols}
	if n, err := hex.Decode(k.GUID[:], []byte(pdb.GUID[:min(32, len(pdb.GUID))])); err != nil || n != len(k.GUID) {
		return layout.Table{}, fmt.Errorf("%w: GUID %q of the PDB file", ErrFormat, pdb.GUID)
	}
	t.Version, t.Kernels = k.Version, []layout.Kernel{k}
	slices.Sort(d.structs)
	for _, name := range slices.Compact(d.structs) {
		u := d.types[name]
		t.Structs = append(t.Structs, layout.Flatten(name, u.Size, d.members(u), func(key string) []layout.Member { return d.members(d.types[key]) }))
	}
	t.Normalize()
	return t, nil
}

// arch comes from the machine type of the PDB file, or else from the size of a pointer.
func (d *decoder) arch() uint8 {
	switch d.meta.Windows.PDB.MachineType {
	case 0x14c:
		return layout.X86
	case 0x8664:
		return layout.X64
	case 0xaa64:
		return layout.ARM64
	}
	if d.pointer == 4 {
		return layout.X86
	}
	return layout.X64
}

// members returns the members of a user type in the order of offsets, so that the result does not depend on the order
// in the file.
func (d *decoder) members(u userType) []layout.Member {
	out := make([]layout.Member, 0, len(u.Fields))
	for name, f := range u.Fields {
		m := layout.Member{Field: layout.Field{Name: name, Offset: f.Offset, Type: d.spell(&f.Type, 0)}}
		switch {
		case f.Type.Kind == "bitfield":
			m.BitPos, m.Bits = f.Type.BitPosition, f.Type.BitLength
		case isUnnamed(f.Type):
			m.Inner = f.Type.Name
		}
		if f.Anonymous {
			m.Name = ""
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b layout.Member) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.BitPos, b.BitPos), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Inner, b.Inner))
	})
	return out
}
