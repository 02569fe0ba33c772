package integrity

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"sync"

	"memlens/memimage/pe"
)

// Module is an image in the address space.
type Module struct {
	Name string // of its file, without the folder
	Base uint64
	Size uint64
	// Exports returns its export tables, and whether they are the file's own: read from no page that the process may
	// have written to. It is called when a difference needs it. The tables are nil where there is no header to find
	// them by. The error is of a source that fails.
	Exports func() (e *pe.Exports, own bool, err error)
}

// Modules are the images of an address space.
type Modules struct {
	list   []Module // by base
	byName map[string][]*Module
	// Partial says that there may be other modules.
	Partial bool
}

// NewModules returns a list of modules, given in any order.
func NewModules(list []Module, partial bool) *Modules {
	m := &Modules{list: slices.Clone(list), byName: map[string][]*Module{}, Partial: partial}
	slices.SortStableFunc(m.list, func(a, b Module) int { return cmp.Compare(a.Base, b.Base) })
	for i := range m.list {
		m.list[i].Exports = once(m.list[i].Exports)
		name := strings.ToLower(m.list[i].Name)
		m.byName[name] = append(m.byName[name], &m.list[i])
	}
	return m
}

// once makes sure that the tables are read only once.
func once(read func() (*pe.Exports, bool, error)) func() (*pe.Exports, bool, error) {
	var e *pe.Exports
	var own bool
	err := sync.OnceValue(func() (err error) { e, own, err = read(); return err })
	return func() (*pe.Exports, bool, error) {
		failed := err()
		return e, own, failed
	}
}

// At returns the module around an address, or nil.
func (m *Modules) At(va uint64) *Module {
	i := sort.Search(len(m.list), func(i int) bool { return m.list[i].Base > va })
	if i == 0 || va-m.list[i-1].Base >= m.list[i-1].Size {
		return nil
	}
	return &m.list[i-1]
}

// Named returns the modules with a name, in any case and with or without ".dll".
func (m *Modules) Named(name string) []*Module {
	name = strings.ToLower(name)
	if found := m.byName[name]; found != nil {
		return found
	}
	return m.byName[name+".dll"]
}

// modulesOf returns the known modules of the address space, nil for none.
func (c *comparison) modulesOf() *Modules {
	if !c.asked && c.in.Modules != nil {
		c.modules = c.in.Modules()
	}
	c.asked = true
	return c.modules
}

// moduleAt returns the module around an address, or nil.
func (c *comparison) moduleAt(va uint64) *Module {
	if m := c.modulesOf(); m != nil {
		return m.At(va)
	}
	return nil
}

// allKnown reports whether every module of the address space is known.
func (c *comparison) allKnown() bool {
	m := c.modulesOf()
	return m != nil && !m.Partial
}

// outside describes an address that is in no known module.
func (c *comparison) outside() string {
	if c.allKnown() {
		return "leads to no module"
	}
	return "leads to no module that is known"
}
