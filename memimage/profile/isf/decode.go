package isf

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"memlens/memimage/profile/internal/layout"
)

// decoder goes through the JSON once. It keeps the wanted types and all unnamed types, since the wanted types may
// need these.
type decoder struct {
	in      *jsontext.Decoder
	want    Wanted
	meta    metadata
	pointer int
	structs []string // names of the wanted types
	types   map[string]userType
	enums   map[string]string // base types of enumerations
	symbols []layout.Symbol
}

type metadata struct {
	Windows struct {
		PDB struct {
			GUID        string `json:"GUID"`
			Age         uint32 `json:"age"`
			Database    string `json:"database"`
			MachineType int    `json:"machine_type"`
		} `json:"pdb"`
		PE struct {
			Major    uint32 `json:"major"`
			Minor    uint32 `json:"minor"`
			Revision uint32 `json:"revision"`
			Build    uint32 `json:"build"`
		} `json:"pe"`
	} `json:"windows"`
}

// version returns the version of the kernel's file. The format calls its last two parts revision and build.
func (m metadata) version() layout.Version {
	pe := m.Windows.PE
	return layout.Version{pe.Major, pe.Minor, pe.Revision, pe.Build}
}

type userType struct {
	Size   uint32           `json:"size"`
	Fields map[string]field `json:"fields"`
}

type field struct {
	Offset    uint32  `json:"offset"`
	Anonymous bool    `json:"anonymous"`
	Type      typeRef `json:"type"`
}

// typeRef is a type as a field refers to it. Subtype is the element type of a pointer or array, Type is the integer
// type that a bitfield is part of.
type typeRef struct {
	Kind        string   `json:"kind"`
	Name        string   `json:"name"`
	Count       uint32   `json:"count"`
	BitLength   uint8    `json:"bit_length"`
	BitPosition uint8    `json:"bit_position"`
	Subtype     *typeRef `json:"subtype"`
	Type        *typeRef `json:"type"`
}

// object calls member for each member of the object that comes next; member has to read its value.
func (d *decoder) object(member func(name string) error) error {
	open, err := d.in.ReadToken()
	if err != nil {
		return err
	}
	if open.Kind() != '{' {
		return fmt.Errorf("%w: no object where one should be", ErrFormat)
	}
	for d.in.PeekKind() == '"' {
		name, err := d.in.ReadToken()
		if err != nil {
			return err
		}
		if err := member(name.String()); err != nil {
			return err
		}
	}
	_, err = d.in.ReadToken() // the closing brace, or the error
	return err
}

// value decodes the value that comes next.
func (d *decoder) value(into any) error {
	raw, err := d.in.ReadValue()
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

func (d *decoder) top(name string) error {
	switch name {
	case "metadata":
		return d.value(&d.meta)
	case "base_types":
		return d.object(d.baseType)
	case "enums":
		return d.object(d.enum)
	case "symbols":
		return d.object(d.symbol)
	case "user_types":
		return d.object(d.userType)
	}
	return d.in.SkipValue()
}

func (d *decoder) baseType(name string) error {
	if name != "pointer" {
		return d.in.SkipValue()
	}
	var b struct{ Size int }
	err := d.value(&b)
	d.pointer = b.Size
	return err
}

func (d *decoder) enum(name string) error {
	return d.object(func(member string) error {
		if member != "base" {
			return d.in.SkipValue()
		}
		var base string
		err := d.value(&base)
		d.enums[name] = base
		return err
	})
}

func (d *decoder) symbol(name string) error {
	name = layout.Undecorated(name)
	if !d.want.Symbol(name) {
		return d.in.SkipValue()
	}
	var s struct{ Address uint64 }
	err := d.value(&s)
	if s.Address <= math.MaxUint32 {
		d.symbols = append(d.symbols, layout.Symbol{Name: name, RVA: uint32(s.Address)})
	}
	return err
}

func (d *decoder) userType(name string) error {
	wanted := d.want.Struct(name)
	if !wanted && !unnamed(name) {
		return d.in.SkipValue()
	}
	var u userType
	if err := d.value(&u); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	d.types[name] = u
	if wanted {
		d.structs = append(d.structs, name)
	}
	return nil
}

// unnamed recognises the names that makers of symbol tables give to types without one.
func unnamed(name string) bool {
	return strings.HasPrefix(name, "__unnamed") || strings.HasPrefix(name, "__anonymous") ||
		strings.Contains(name, "unnamed-") || strings.HasPrefix(name, "unnamed_")
}

func isUnnamed(t typeRef) bool {
	return (t.Kind == "struct" || t.Kind == "union" || t.Kind == "class") && unnamed(t.Name)
}

// maxSpelled bounds pointers to pointers and arrays of arrays.
const maxSpelled = 8

// spell writes a type in the form of package layout. A pointer to an array is written as a pointer to its element,
// since "ptr T[n]" means an array.
func (d *decoder) spell(t *typeRef, depth int) string {
	if t == nil || depth > maxSpelled {
		return "void"
	}
	switch t.Kind {
	case "pointer":
		to, _, _ := strings.Cut(d.spell(t.Subtype, depth+1), "[")
		return "ptr " + to
	case "array":
		return fmt.Sprintf("%s[%d]", d.spell(t.Subtype, depth+1), t.Count)
	case "bitfield":
		return d.spell(t.Type, depth+1)
	case "enum":
		return cmp.Or(d.enums[t.Name], "long")
	}
	return cmp.Or(t.Name, t.Kind, "void")
}
