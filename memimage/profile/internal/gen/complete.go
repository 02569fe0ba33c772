package main

import "memlens/memimage/profile/internal/layout"

// completeKDBG gives tables from symbol files the debugger block, whose public form (KDDEBUGGER_DATA64 of wdbgexts.h)
// only grows at its end. It is taken from the newest table that is not newer. Tables are in the order of versions.
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
