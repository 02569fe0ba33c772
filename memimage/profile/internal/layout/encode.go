package layout

import (
	"encoding/binary"
	"slices"
)

// magic opens an archive; its last byte is the version of the coding.
const magic = "NTL\x01"

// Encode writes tables as one archive, which Open reads back. Equal structures and strings are stored once, and the
// same tables always give the same bytes.
//
// An archive is the magic, then four sections — strings, structures, table headers, table bodies — each a count, the
// end of every item (both 32-bit little-endian) and the items. Numbers inside items are unsigned varints; a string or
// a structure is its number in its section.
func Encode(tables []Table) []byte {
	e := encoder{strings: section{seen: map[string]int{}}, structs: section{seen: map[string]int{}}}
	var headers, bodies section
	for _, t := range tables {
		headers.items = append(headers.items, e.header(t.Header))
		bodies.items = append(bodies.items, e.body(t.Structs))
	}
	out := []byte(magic)
	for _, s := range []section{e.strings, e.structs, headers, bodies} {
		out = s.append(out)
	}
	return out
}

type section struct {
	items [][]byte
	seen  map[string]int
}

func (s *section) add(item []byte) uint64 {
	n, ok := s.seen[string(item)]
	if !ok {
		n = len(s.items)
		s.items = append(s.items, slices.Clone(item))
		s.seen[string(item)] = n
	}
	return uint64(n)
}

func (s *section) append(out []byte) []byte {
	out = binary.LittleEndian.AppendUint32(out, uint32(len(s.items)))
	end := 0
	for _, item := range s.items {
		end += len(item)
		out = binary.LittleEndian.AppendUint32(out, uint32(end))
	}
	return append(out, slices.Concat(s.items...)...)
}

type encoder struct{ strings, structs section }

func (e *encoder) str(out []byte, s string) []byte {
	return binary.AppendUvarint(out, e.strings.add([]byte(s)))
}

func (e *encoder) header(h Header) []byte {
	out := e.str(nil, h.Name)
	out = e.str(out, h.Source)
	out = append(out, h.Arch, h.PTE)
	out = binary.AppendUvarint(out, uint64(h.KDBG))
	out = appendVersion(out, h.Version)
	out = binary.AppendUvarint(out, uint64(len(h.Aliases)))
	for _, a := range h.Aliases {
		out = e.str(out, a)
	}
	out = binary.AppendUvarint(out, uint64(len(h.Kernels)))
	for _, k := range h.Kernels {
		out = e.kernel(out, k)
	}
	return out
}

func (e *encoder) kernel(out []byte, k Kernel) []byte {
	out = e.str(out, k.PDB)
	out = append(out, k.GUID[:]...)
	out = binary.AppendUvarint(out, uint64(k.Age))
	out = appendVersion(out, k.Version)
	out = binary.AppendUvarint(out, uint64(len(k.Symbols)))
	for _, s := range k.Symbols {
		out = e.str(out, s.Name)
		out = binary.AppendUvarint(out, uint64(s.RVA))
	}
	return out
}

func (e *encoder) body(structs []Struct) []byte {
	out := binary.AppendUvarint(nil, uint64(len(structs)))
	for _, s := range structs {
		out = binary.AppendUvarint(out, e.structs.add(e.structure(s)))
	}
	return out
}

func (e *encoder) structure(s Struct) []byte {
	out := e.str(nil, s.Name)
	out = binary.AppendUvarint(out, uint64(s.Size))
	out = binary.AppendUvarint(out, uint64(len(s.Fields)))
	for _, f := range s.Fields {
		out = e.str(out, f.Name)
		out = e.str(out, f.Type)
		out = binary.AppendUvarint(out, uint64(f.Offset))
		out = append(out, f.BitPos, f.Bits)
	}
	return out
}

func appendVersion(out []byte, v Version) []byte {
	for _, n := range v {
		out = binary.AppendUvarint(out, uint64(n))
	}
	return out
}
