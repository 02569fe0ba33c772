package pdb

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"memlens/memimage/profile/internal/layout"
)

// The records inside a field list.
const (
	lfBaseClass        = 0x1400
	lfVirtualBase      = 0x1401
	lfIndirectBase     = 0x1402
	lfIndex            = 0x1404
	lfVirtualTable     = 0x1409
	lfEnumerate        = 0x1502
	lfMember           = 0x150d
	lfStaticMember     = 0x150e
	lfMethod           = 0x150f
	lfNestedType       = 0x1510
	lfOneMethod        = 0x1511
	lfPad              = 0xf0 // and above: one byte, its low half the number of bytes to skip
	maxContinuations   = 64
	introducingVirtual = 4 // methods with these properties have an offset in the virtual table
	introducingPure    = 6
)

// members returns the members of a field list and of the lists that continue it.
func (t *types) members(list uint32) (out []layout.Member) {
	for range maxContinuations {
		kind, c := t.record(list)
		if kind != lfFieldList {
			return out
		}
		list = 0
		for len(c.b) > 0 && !c.bad && len(out) < layout.MaxMembers {
			if c.b[0] >= lfPad {
				c.take(int(max(1, c.b[0]&0xf)))
				continue
			}
			if c.b, list = t.member(c, &out); list != 0 {
				break
			}
		}
	}
	return out
}

// member reads the next record of a field list, adds it to out if it is a data member, and returns the bytes behind
// it. next is the list that continues this list. A record of an unknown kind ends the list.
func (t *types) member(c cursor, out *[]layout.Member) (rest []byte, next uint32) {
	kind := c.u16()
	attributes := c.u16()
	switch kind {
	case lfMember:
		index, offset, name := c.u32(), c.numeric(), c.str()
		if !c.bad && offset <= math.MaxUint32 {
			*out = append(*out, t.data(name, uint32(offset), index))
		}
	case lfIndex:
		return nil, c.u32()
	case lfEnumerate:
		c.numeric()
		c.str()
	case lfBaseClass:
		c.take(4)
		c.numeric()
	case lfVirtualBase, lfIndirectBase:
		c.take(8)
		c.numeric()
		c.numeric()
	case lfVirtualTable:
		c.take(4)
	case lfStaticMember, lfMethod, lfNestedType:
		c.take(4)
		c.str()
	case lfOneMethod:
		c.take(4)
		if p := attributes >> 2 & 7; p == introducingVirtual || p == introducingPure {
			c.take(4)
		}
		c.str()
	default:
		return nil, 0
	}
	return c.b, 0
}

// data returns a data member whose type has an index.
func (t *types) data(name string, offset, index uint32) layout.Member {
	m := layout.Member{Field: layout.Field{Name: name, Offset: offset}}
	if kind, c := t.record(index); kind == lfBitfield {
		index, m.Bits, m.BitPos = c.u32(), c.u8(), c.u8()
	}
	if a, ok := t.aggregate(index); ok && unnamed(a.name) {
		if a.declared {
			index = t.defined[a.key()]
		}
		m.Inner = string(binary.LittleEndian.AppendUint32(nil, index))
	}
	m.Type, _ = t.spell(index, 0)
	return m
}

// maxSpelled bounds pointers to pointers and arrays of arrays.
const maxSpelled = 8

// spell writes a type in the form of package layout, and returns its size in bytes (0: not known). A pointer to an
// array is written as a pointer to its element, since "ptr T[n]" means an array.
func (t *types) spell(index uint32, depth int) (name string, size uint64) {
	if depth > maxSpelled {
		return "void", 0
	}
	if index < t.first {
		return simple(index)
	}
	if a, ok := t.aggregate(index); ok {
		return a.name, t.sizeOf(a)
	}
	kind, c := t.record(index)
	switch kind {
	case lfModifier:
		return t.spell(c.u32(), depth+1)
	case lfPointer:
		to, _ := t.spell(c.u32(), depth+1)
		to, _, _ = strings.Cut(to, "[")
		return "ptr " + to, uint64(c.u32() >> 13 & 0x3f)
	case lfArray:
		of, unit := t.spell(c.u32(), depth+1)
		c.take(4)
		size := c.numeric()
		return fmt.Sprintf("%s[%d]", of, size/max(1, unit)), size
	case lfEnum:
		c.take(4)
		return t.spell(c.u32(), depth+1)
	}
	return "function", 0
}

// sizeOf is the size of an aggregate, looked up where it is defined if this is only a declaration.
func (t *types) sizeOf(a aggregate) uint64 {
	if a.declared {
		a, _ = t.aggregate(t.defined[a.key()])
	}
	return a.size
}

// simple is a built-in type: its kind is in the low byte of the index, the kind of pointer to it in the next byte.
func simple(index uint32) (name string, size uint64) {
	s, ok := simpleTypes[index&0xff]
	if !ok {
		s.name = "void"
	}
	switch index >> 8 & 0xf {
	case 0:
		return s.name, s.size
	case 6:
		return "ptr " + s.name, 8
	}
	return "ptr " + s.name, 4
}

// simpleTypes are the built-in types of cvinfo.h that C programs use.
var simpleTypes = map[uint32]struct {
	name string
	size uint64
}{
	0x03: {"void", 0}, 0x08: {"long", 4}, 0x10: {"char", 1}, 0x20: {"unsigned char", 1}, 0x68: {"char", 1},
	0x69: {"unsigned char", 1}, 0x70: {"char", 1}, 0x30: {"unsigned char", 1}, 0x71: {"wchar", 2}, 0x7a: {"wchar", 2},
	0x11: {"short", 2}, 0x21: {"unsigned short", 2}, 0x72: {"short", 2}, 0x73: {"unsigned short", 2},
	0x12: {"long", 4}, 0x22: {"unsigned long", 4}, 0x74: {"int", 4}, 0x75: {"unsigned int", 4},
	0x13: {"long long", 8}, 0x23: {"unsigned long long", 8}, 0x76: {"long long", 8}, 0x77: {"unsigned long long", 8},
	0x40: {"float", 4}, 0x41: {"double", 8},
}
