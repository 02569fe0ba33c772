package memimage

import (
	"cmp"
	"fmt"

	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/reason"
)

// FoundModule is an executable image in a process's address space. The methods of Module are about that image.
type FoundModule struct {
	*Module
	Found *nt.FoundModule
}

// moduleList is the result of one search of a process for executables.
type moduleList struct {
	modules []*FoundModule
	damage  []error
}

// keptModuleLists is the number of processes whose modules are kept (the last used): some hundred kilobytes each.
const keptModuleLists = 128

// Modules returns every executable image in the process's address space, its own one among them, in the order of
// addresses, and the errors of reading. Where reading the image failed, one of these errors is a *[sparse.ReadError],
// and the result for any module may be wrong.
func (p *Process) Modules() ([]*FoundModule, []error) {
	l := keep(p.image.faults, p.image.moduleLists, p, p.findModules)
	return l.modules, l.damage
}

func (p *Process) findModules() moduleList {
	before := p.image.faults.Count()
	found, damage := p.FindModules()
	if failed := p.image.faults.Since(before); failed != nil { // the memory that could not be read may hold more
		damage = append(damage, fmt.Errorf("memimage: the search for modules: %w", failed))
	}
	l := moduleList{make([]*FoundModule, len(found)), damage}
	for i := range found {
		f := &found[i]
		l.modules[i] = &FoundModule{p.found(f), f}
	}
	return l
}

// found returns the executable image that was found, which may be the process's own one. Where the environment block
// cannot be read there is no dump of the process's own image; as a module it needs an address only, as in Volatility's
// dlldump --base.
func (p *Process) found(f *nt.FoundModule) *Module {
	if env, err := p.Environment(); err == nil && env.ImageBase == f.Base {
		return p.Module
	}
	return p.image.module(p, &moduleImage{p, f})
}

// moduleImage is where a process has an executable image that is not its own.
type moduleImage struct {
	*Process
	found *nt.FoundModule
}

func (m *moduleImage) noun() string                 { return "module" }
func (m *moduleImage) path() string                 { return cmp.Or(m.found.Path, m.found.DumpPath) }
func (m *moduleImage) address() paging.Virt         { return m.found.Base }
func (m *moduleImage) space() *paging.Space         { return m.Process.Process.Space() }
func (m *moduleImage) pages(base paging.Virt) int64 { return (m.found.Size + pageSize - 1) / pageSize }

// name implements [location]. Memory of no file has the name that the loader has, or else the name of its kind.
func (m *moduleImage) name() string {
	if name := baseName(m.path()); name != "" {
		return name
	}
	if e := m.found.Listed(); e != nil && e.Name != "" {
		return e.Name
	}
	return m.found.Kind.String()
}

// claimedPath implements [location].
func (m *moduleImage) claimedPath() (string, bool) {
	switch f := m.found; {
	case f.Entry != nil:
		return f.Entry.Path, false
	case f.Entry32 != nil:
		return f.Entry32.Path, true
	}
	return "", false
}

// names implements [location].
func (m *moduleImage) names() []string {
	out := []string{baseName(m.path())}
	for _, e := range []*nt.LoaderEntry{m.found.Entry, m.found.Entry32} {
		if e != nil {
			out = append(out, e.Name, baseName(e.Path))
		}
	}
	return out
}

// classic implements [location].
func (m *moduleImage) classic() (*paging.Space, paging.Virt, error) {
	if err := m.CheckSpace(); err != nil {
		return nil, 0, err
	}
	return m.classicSpace(), m.found.Base, nil
}

// mapping implements [location].
func (m *moduleImage) mapping() (*nt.Mapping, error) {
	if m.found.Layout == nt.FileLayout {
		return nil, reason.Errorf(reason.NotLoaded, "it lies in memory as it does on disk, and was not loaded: its bytes are in regions/, in the file of its addresses")
	}
	if err := m.CheckSpace(); err != nil {
		return nil, err
	}
	return m.Process.Process.Mapping(m.found.Base), nil
}
