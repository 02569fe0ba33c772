// Package layout is the plain data behind a profile: structures, fields and the kernels they belong to, and the
// compact coding in which the program carries them and caches them.
//
// It imports no other package of memlens. The embedded data, Volatility 3 symbol tables and PDB files are all turned
// into a Table; package profile above gives it meaning.
package layout

import (
	"cmp"
	"slices"
)

// Field is one member of a structure. Bits is zero unless the member is a bitfield, which then occupies Bits bits
// from bit BitPos of the Type at Offset.
type Field struct {
	Name   string // members of unnamed members are joined by dots: "u.VadFlags"
	Type   string // as C spells it; "ptr T" for a pointer, "T[n]" for an array
	Offset uint32
	BitPos uint8
	Bits   uint8
}

// Struct is a structure or union of Size bytes with its Fields sorted by name.
type Struct struct {
	Name   string
	Size   uint32
	Fields []Field
}

// Field finds a member by its exact name.
func (s *Struct) Field(name string) (Field, bool) {
	i, ok := slices.BinarySearchFunc(s.Fields, name, func(f Field, name string) int { return cmp.Compare(f.Name, name) })
	if !ok {
		return Field{}, false
	}
	return s.Fields[i], true
}

// Version is an NT version: 10.0.19041.2846 has these four parts in this order.
type Version [4]uint32

// Symbol is a public name of a kernel and its address relative to the kernel's base.
type Symbol struct {
	Name string
	RVA  uint32
}

// Kernel is one build of a kernel that has the table's structures. GUID and Age identify its PDB file.
type Kernel struct {
	PDB     string
	GUID    [16]byte // as printed: the first digits first
	Age     uint32
	Version Version
	Symbols []Symbol // sorted by name
}

// The machines and page-table forms a Table can be of.
const (
	X86 = 1 + iota
	X64
	ARM64
)

// The forms of _MMPTE a table can hold.
const (
	PTEUnknown = iota // not 32-bit x86, or not known
	PTEClassic        // 4 bytes
	PTEPAE            // 8 bytes
)

// Header is the part of a Table without its structures.
type Header struct {
	Name    string
	Aliases []string
	Source  string
	Arch    uint8
	PTE     uint8
	KDBG    uint32 // Size in the header of _KDDEBUGGER_DATA64, 0 if not known
	Version Version
	Kernels []Kernel
}

// Table is the structure layout that one or more kernels share. Structs are sorted by name.
type Table struct {
	Header
	Structs []Struct
}

// Normalize sorts structures, fields and symbols by name, which Encode and the searches require.
func (t *Table) Normalize() {
	slices.SortFunc(t.Structs, func(a, b Struct) int { return cmp.Compare(a.Name, b.Name) })
	for i := range t.Structs {
		slices.SortFunc(t.Structs[i].Fields, func(a, b Field) int { return cmp.Compare(a.Name, b.Name) })
	}
	for i := range t.Kernels {
		slices.SortFunc(t.Kernels[i].Symbols, func(a, b Symbol) int { return cmp.Compare(a.Name, b.Name) })
	}
}
