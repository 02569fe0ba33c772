package profile

import (
	"slices"
	"strconv"
	"strings"

	"memlens/memimage/profile/internal/layout"
)

// Field is where a member of a structure lies. The zero Field stands for no member; see Present.
type Field struct {
	Offset int64  // bytes from the start of the structure that the path begins with
	Type   string // as C spells it: "unsigned long", "_LIST_ENTRY", "ptr _PEB", "unsigned char[15]"
	Size   int64  // bytes, 0 if not known
	BitPos uint8  // of a bitfield, the first bit within Type at Offset
	Bits   uint8  // of a bitfield, how many; 0: not a bitfield
}

// Present says whether the kernel has the member at all.
func (f Field) Present() bool { return f.Type != "" }

// Bitfield takes the member's bits from the integer at Offset, or the whole integer if the member is no bitfield.
func (f Field) Bitfield(v uint64) uint64 {
	if f.Bits == 0 || f.Bits >= 64 {
		return v
	}
	return v >> (f.BitPos & 63) & (1<<f.Bits - 1)
}

// Field finds a member by its path, such as "_EPROCESS.ActiveProcessLinks". The path may go through members that are
// structures themselves ("_EPROCESS.Pcb.DirectoryTableBase") or unnamed ("_MMVAD_SHORT.u.VadFlags.VadType"), not
// through pointers.
func (p *Profile) Field(path string) (Field, bool) {
	name, rest, ok := strings.Cut(path, ".")
	if !ok {
		return Field{}, false
	}
	return p.member(name, rest, 0)
}

// SizeOf is the size in bytes of a structure. It is not ok if the profile has no such structure or knows only some of
// its members.
func (p *Profile) SizeOf(name string) (int64, bool) {
	s := p.structure(name)
	if s == nil || s.Size == 0 {
		return 0, false
	}
	return int64(s.Size), true
}

// maxNesting bounds the structures that a path goes through; in a damaged cache they could form a circle.
const maxNesting = 16

func (p *Profile) member(name, path string, depth int) (Field, bool) {
	s := p.structure(name)
	if s == nil || depth > maxNesting {
		return Field{}, false
	}
	for head := path; head != ""; head = head[:max(0, strings.LastIndexByte(head, '.'))] {
		f, ok := s.Field(head)
		switch {
		case !ok:
			continue
		case len(head) == len(path):
			return p.field(f), true
		}
		inner, ok := p.member(f.Type, path[len(head)+1:], depth+1)
		if ok {
			inner.Offset += int64(f.Offset)
			return inner, true
		}
	}
	return Field{}, false
}

func (p *Profile) field(f layout.Field) Field {
	size, _ := p.sizeOfType(f.Type)
	return Field{Offset: int64(f.Offset), Type: f.Type, Size: size, BitPos: f.BitPos, Bits: f.Bits}
}

func (p *Profile) structure(name string) *layout.Struct {
	structs := p.structs()
	i, ok := slices.BinarySearchFunc(structs, name, func(s layout.Struct, name string) int {
		return strings.Compare(s.Name, name)
	})
	if !ok {
		return nil
	}
	return &structs[i]
}

// maxSize bounds the element of an array, so that the product with a 31-bit count fits.
const maxSize = 1 << 32

// sizeOfType is the size in bytes of a member's type: a pointer, a C integer, a structure, or an array.
func (p *Profile) sizeOfType(typ string) (int64, bool) {
	if elem, n, ok := cutArray(typ); ok {
		size, ok := p.sizeOfType(elem)
		if size > maxSize {
			return 0, false
		}
		return n * size, ok
	}
	if strings.HasPrefix(typ, "ptr ") {
		return p.Arch().PointerSize(), true
	}
	if size, ok := integers[typ]; ok {
		return size, true
	}
	return p.SizeOf(typ)
}

// cutArray splits "T[n]". Arrays of pointers are written "ptr T[n]", and count as arrays.
func cutArray(typ string) (elem string, n int64, ok bool) {
	at := strings.LastIndexByte(typ, '[')
	if at < 0 || !strings.HasSuffix(typ, "]") {
		return "", 0, false
	}
	v, err := strconv.ParseUint(typ[at+1:len(typ)-1], 10, 31)
	return typ[:at], int64(v), err == nil
}

// integers are the sizes of C's types in Microsoft's compilers.
var integers = map[string]int64{
	"char": 1, "unsigned char": 1, "short": 2, "unsigned short": 2, "wchar": 2,
	"int": 4, "unsigned int": 4, "long": 4, "unsigned long": 4, "long long": 8, "unsigned long long": 8,
	"float": 4, "double": 8,
}
