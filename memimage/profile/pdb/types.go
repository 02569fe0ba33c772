package pdb

import (
	"fmt"
	"math"
	"strings"

	"memlens/memimage/profile/internal/layout"
)

// The type records that are understood; see cvinfo.h. Names are Microsoft's.
const (
	lfModifier  = 0x1001
	lfPointer   = 0x1002
	lfFieldList = 0x1203
	lfBitfield  = 0x1205
	lfArray     = 0x1503
	lfClass     = 0x1504
	lfStructure = 0x1505
	lfUnion     = 0x1506
	lfEnum      = 0x1507
	lfInterface = 0x1519
)

// The bits of a structure's properties.
const (
	propForward = 1 << 7 // only declared
	propUnique  = 1 << 9 // a second, unique name follows
)

// types is the TPI stream with its records found.
type types struct {
	b       []byte
	first   uint32            // index of the first record; lower ones are built-in types
	records []uint32          // where the records begin in b
	defined map[string]uint32 // index of the definition by key, for types that are only declared
}

// aggregate is a structure or union.
type aggregate struct {
	fields   uint32
	size     uint64
	name     string
	unique   string
	declared bool
}

// Structs returns the layout of the structures and unions whose names are wanted.
func (f *File) Structs(want func(name string) bool) ([]layout.Struct, error) {
	b, err := f.msf.stream(streamTPI)
	if err != nil {
		return nil, err
	}
	t, err := openTypes(b)
	if err != nil {
		return nil, err
	}
	return t.structs(want), nil
}

// structs goes through all records once to find the definitions, and then lays out the wanted ones.
func (t *types) structs(want func(name string) bool) (out []layout.Struct) {
	var found []aggregate
	seen := map[string]bool{}
	for i := range t.records {
		a, ok := t.aggregate(t.first + uint32(i))
		if !ok || a.declared {
			continue
		}
		if key := a.key(); key != "" {
			t.defined[key] = t.first + uint32(i)
		}
		if !unnamed(a.name) && want(a.name) && !seen[a.name] && a.size <= math.MaxUint32 {
			seen[a.name] = true
			found = append(found, a)
		}
	}
	for _, a := range found {
		out = append(out, t.flatten(a))
	}
	return out
}

func openTypes(b []byte) (*types, error) {
	c := cursor{b: b}
	c.take(4)
	header := c.u32()
	t := &types{b: b, first: c.u32(), defined: map[string]uint32{}}
	end := c.u32()
	size := c.u32()
	if c.bad || uint64(header)+uint64(size) > uint64(len(b)) || end < t.first {
		return nil, fmt.Errorf("pdb: type stream of %#x bytes: header %#x, records %#x", len(b), header, size)
	}
	c = cursor{b: b[header : header+size]}
	for len(c.b) > 0 {
		t.records = append(t.records, header+size-uint32(len(c.b)))
		c.record()
		if c.bad {
			return nil, fmt.Errorf("pdb: type record %#x cut short", t.first+uint32(len(t.records)))
		}
	}
	return t, nil
}

// record is the type record with an index; its kind is 0 if there is none.
func (t *types) record(index uint32) (kind uint16, body cursor) {
	if index < t.first || uint64(index-t.first) >= uint64(len(t.records)) {
		return 0, cursor{}
	}
	c := cursor{b: t.b[t.records[index-t.first]:]}
	return c.record()
}

// aggregate reads the record of a structure or union.
func (t *types) aggregate(index uint32) (a aggregate, ok bool) {
	kind, c := t.record(index)
	switch kind {
	case lfClass, lfStructure, lfInterface, lfUnion:
	default:
		return a, false
	}
	c.take(2) // number of members
	props := c.u16()
	a.fields = c.u32()
	if kind != lfUnion {
		c.take(8) // base classes, virtual functions
	}
	a.size = c.numeric()
	a.name = c.str()
	a.declared = props&propForward != 0
	if props&propUnique != 0 {
		a.unique = c.str()
	}
	return a, !c.bad
}

// key returns the name that a declaration shares with its definition; "" if there is none.
func (a aggregate) key() string {
	if a.unique == "" && !unnamed(a.name) {
		return a.name
	}
	return a.unique
}

// unnamed recognises the names that compilers give to types without one: "<unnamed-tag>", "<anonymous-tag>",
// "_OUTER::<unnamed-type-u>" and "__unnamed".
func unnamed(name string) bool {
	return name == "" || strings.Contains(name, "<unnamed") || strings.Contains(name, "<anonymous") || strings.HasPrefix(name, "__unnamed")
}

// flatten turns an aggregate into a structure. The key of an unnamed type is its index as a string of 4 bytes.
func (t *types) flatten(a aggregate) layout.Struct {
	return layout.Flatten(a.name, uint32(a.size), t.members(a.fields), func(key string) []layout.Member {
		c := cursor{b: []byte(key)}
		inner, _ := t.aggregate(c.u32())
		return t.members(inner.fields)
	})
}
