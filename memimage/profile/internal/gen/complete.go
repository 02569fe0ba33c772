package main

import (
	"slices"
	"strings"

	"memlens/memimage/profile/internal/layout"
)

// completeAnonymous fills in what an unnamed union holds where the symbol table gave it a made-up name instead of its
// members ("u" of type "__anonymous_1d56"). They come from the table of the same build and architecture that knows
// them, provided the structure has the same size and the union lies at the same offset there.
func completeAnonymous(tables []layout.Table) {
	for i := range tables {
		for j := range tables[i].Structs {
			s := &tables[i].Structs[j]
			for _, u := range slices.Clone(s.Fields) {
				if unnamed(u.Type) && !hasMembers(s, u.Name) {
					s.Fields = append(s.Fields, membersElsewhere(tables, tables[i].Header, s, u)...)
				}
			}
			for k := range s.Fields {
				if unnamed(s.Fields[k].Type) {
					s.Fields[k].Type = "<anon>"
				}
			}
		}
	}
}

func unnamed(typ string) bool { return strings.HasPrefix(typ, "__anonymous_") }

func hasMembers(s *layout.Struct, union string) bool {
	return slices.ContainsFunc(s.Fields, func(f layout.Field) bool { return strings.HasPrefix(f.Name, union+".") })
}

func membersElsewhere(tables []layout.Table, h layout.Header, s *layout.Struct, union layout.Field) []layout.Field {
	for _, t := range tables {
		if t.Arch != h.Arch || t.Version[2] != h.Version[2] {
			continue
		}
		twin := find(t.Structs, s.Name)
		if twin == nil || twin.Size != s.Size || !hasMembers(twin, union.Name) {
			continue
		}
		var out []layout.Field
		for _, f := range twin.Fields {
			if f.Name == union.Name && f.Offset != union.Offset {
				return nil
			}
			if strings.HasPrefix(f.Name, union.Name+".") {
				out = append(out, f)
			}
		}
		return out
	}
	return nil
}

// completeKDBG gives tables from symbol files the debugger block, whose public form (KDDEBUGGER_DATA64 of wdbgexts.h)
// only grows at its end: that of the newest table not newer than they are. Tables are in the order of versions.
func completeKDBG(tables []layout.Table) {
	newest := map[uint8]layout.Table{}
	for i := range tables {
		t := &tables[i]
		if t.KDBG != 0 {
			newest[t.Arch] = *t
			continue
		}
		donor := newest[t.Arch]
		t.KDBG = donor.KDBG
		for _, s := range donor.Structs {
			if s.Name == "_KDDEBUGGER_DATA64" || s.Name == "_DBGKD_DEBUG_DATA_HEADER64" {
				t.Structs = append(t.Structs, s)
			}
		}
	}
}

func find(structs []layout.Struct, name string) *layout.Struct {
	for i := range structs {
		if structs[i].Name == name {
			return &structs[i]
		}
	}
	return nil
}
