package layout

// Member is a member of a structure as a symbol file has it. Inner, if not empty, is the key of the unnamed structure
// or union that is the member's type.
type Member struct {
	Field
	Inner string
}

// UnnamedType is the Type of a member whose type has no name, and whose members follow as "member.inner".
const UnnamedType = "<anon>"

// The bounds of one structure: no kernel has a structure with so many members, or unnamed structures nested so
// deeply.
const (
	MaxMembers = 1 << 12
	maxDepth   = 8
)

// Flatten makes a Struct from members; the members of unnamed types are included under dotted names. A member of
// unnamed type without a name of its own gives its members to the structure directly, as in C. inner finds an unnamed
// type.
func Flatten(name string, size uint32, members []Member, inner func(key string) []Member) Struct {
	f := flattener{out: Struct{Name: name, Size: size}, inner: inner, seen: map[string]bool{}}
	f.add("", 0, members, 0)
	return f.out
}

type flattener struct {
	out   Struct
	inner func(key string) []Member
	seen  map[string]bool // names: a file may repeat a member, and the first one counts
	steps int             // members looked at: a file can use the members of one type many times
}

func (f *flattener) add(prefix string, base uint32, members []Member, depth int) {
	for _, m := range members {
		if f.steps++; f.steps > MaxMembers {
			return
		}
		name := prefix + m.Name
		m.Offset += base
		if m.Inner != "" {
			m.Type = UnnamedType
		}
		if m.Name != "" && !f.seen[name] {
			f.seen[name] = true
			f.out.Fields = append(f.out.Fields, Field{name, m.Type, m.Offset, m.BitPos, m.Bits})
		}
		if m.Inner != "" && depth < maxDepth {
			if m.Name != "" {
				name += "."
			}
			f.add(name, m.Offset, f.inner(m.Inner), depth+1)
		}
	}
}
