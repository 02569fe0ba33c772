package profile

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"memlens/memimage/profile/internal/layout"
)

// With is a copy of p named name, with other places for the members given by their paths, such as
// "_EPROCESS.ActiveProcessLinks". Each of these members lies where its Field says; a member whose Field is not
// Present is removed. The profile stands for no known kernel.
func (p *Profile) With(name string, members map[string]Field) *Profile {
	return p.derive(name, func(structs []layout.Struct) []layout.Struct {
		for _, path := range slices.Sorted(maps.Keys(members)) {
			structure, member, _ := strings.Cut(path, ".")
			structs = withMember(structs, structure, member, members[path])
		}
		return structs
	})
}

// WithStructures is a copy of p named name, with the given structures taken from donor; structures that donor lacks
// are removed. The profile stands for no known kernel.
func (p *Profile) WithStructures(name string, donor *Profile, structures ...string) *Profile {
	return p.derive(name, func(structs []layout.Struct) []layout.Struct {
		structs = slices.DeleteFunc(structs, func(s layout.Struct) bool { return slices.Contains(structures, s.Name) })
		for _, name := range structures {
			if s := donor.structure(name); s != nil {
				structs = append(structs, *s)
			}
		}
		slices.SortFunc(structs, func(a, b layout.Struct) int { return strings.Compare(a.Name, b.Name) })
		return structs
	})
}

// Shifted is a copy of p named name, with one structure changed: a member at offset o in p lies at offset to(o). The
// size of the structure is translated by to as well.
func (p *Profile) Shifted(name, structure string, to func(offset int64) int64) *Profile {
	return p.derive(name, func(structs []layout.Struct) []layout.Struct {
		for i := range structs {
			if structs[i].Name != structure {
				continue
			}
			structs[i].Size = uint32(to(int64(structs[i].Size)))
			structs[i].Fields = slices.Clone(structs[i].Fields)
			for j := range structs[i].Fields {
				f := &structs[i].Fields[j]
				f.Offset = uint32(to(int64(f.Offset)))
			}
		}
		return structs
	})
}

// derive makes a profile with the structures that edit returns. edit gets a copy of p's structures that it may
// change; the fields of a structure are shared with p.
func (p *Profile) derive(name string, edit func([]layout.Struct) []layout.Struct) *Profile {
	d := &Profile{header: p.header}
	d.header.Name, d.header.Aliases, d.header.Kernels = name, nil, nil
	if p.kernel != nil {
		d.header.Version = p.kernel.Version
	}
	d.structs = sync.OnceValue(func() []layout.Struct { return edit(slices.Clone(p.structs())) })
	return d
}

// withMember sets or removes a member of an existing structure.
func withMember(structs []layout.Struct, structure, member string, f Field) []layout.Struct {
	i := slices.IndexFunc(structs, func(s layout.Struct) bool { return s.Name == structure })
	if i < 0 {
		return structs
	}
	s := &structs[i]
	fields := slices.DeleteFunc(slices.Clone(s.Fields), func(have layout.Field) bool { return have.Name == member })
	if f.Present() {
		at, _ := slices.BinarySearchFunc(fields, member, func(have layout.Field, name string) int { return strings.Compare(have.Name, name) })
		fields = slices.Insert(fields, at, layout.Field{Name: member, Type: f.Type, Offset: uint32(f.Offset), BitPos: f.BitPos, Bits: f.Bits})
	}
	s.Fields = fields
	return structs
}
