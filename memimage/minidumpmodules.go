package memimage

import (
	"cmp"
	"math"

	"memlens/memimage/mdmp"
	"memlens/memimage/nt"
	"memlens/memimage/pe"
)

// dumpModules returns the modules of the process for a debugger: the executables that the loader lists or that are
// mapped as images. Executables that were laid out by hand, or are mapped as data, are left out; modules.csv has them.
func (p *Process) dumpModules() []mdmp.Module {
	found, _ := p.Modules()
	var out []mdmp.Module
	for _, m := range found {
		if isDumped(m.Found) {
			out = append(out, dumpModule(m))
		}
	}
	return out
}

// isDumped reports whether a module is in the minidump.
func isDumped(m *nt.FoundModule) bool {
	switch m.Kind {
	case nt.KindLoaded, nt.KindUnlinked, nt.KindMapped, nt.KindHollowed:
		return m.Size > 0 && m.Size <= math.MaxUint32
	}
	return false
}

// dumpModule describes a module by the loader's lists, the mapping, and its own header as far as the header can be
// read.
func dumpModule(m *FoundModule) mdmp.Module {
	out := mdmp.Module{Base: uint64(m.Found.Base), Size: uint32(m.Found.Size), Name: cmp.Or(loaderPath(m.Found), m.Found.Path, m.Name())}
	if m.Found.Layout != nt.MemoryLayout {
		return out
	}
	f, err := pe.OpenImage(m.where.space().Window(m.Found.Base, m.Found.Size))
	if err != nil {
		return out
	}
	out.CheckSum, out.TimeDateStamp = f.CheckSum, f.TimeDateStamp
	out.CodeView, _ = f.CodeView() // a record that cannot be read is left out
	if v, _ := f.FixedVersion(); len(v) == len(out.Version) {
		copy(out.Version[:], v)
	}
	return out
}

// loaderPath returns the path that the loader has for a module; empty where it has none.
func loaderPath(m *nt.FoundModule) string {
	if e := m.Listed(); e != nil {
		return e.Path
	}
	return ""
}
