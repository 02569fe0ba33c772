package fs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"memlens/memimage"
	"memlens/memimage/nt"
)

const modulesName = "modules"

// processModules is the directories of a process's modules, and whose they are.
type processModules struct {
	*moduleTable
	of []*memimage.FoundModule
}

// keptModuleTables is how many processes' names of modules are kept.
const keptModuleTables = 128

// moduleTable returns the directories of the process's modules.
func (p *process) moduleTable() *processModules {
	found, _ := p.Modules()
	if t, ok := p.fs.moduleTables.Get(p.Process); ok && slices.Equal(t.of, found) {
		return t
	}
	entries := make([]moduleEntry, len(found))
	for i, m := range found {
		entries[i] = moduleEntry{m.Module, func(d *moduleDescription) { d.module(m.Found) }}
	}
	t := &processModules{newModuleTable(dllKind, entries), found}
	p.fs.moduleTables.Add(p.Process, t)
	return t
}

// lacksModules says why a process has no modules.
func (p *process) lacksModules() error {
	found, damage := p.Modules()
	if len(found) > 0 {
		return nil
	}
	return errors.Join(append(damage, errors.New("no executable is in its address space"))...)
}

// modules is the directory of the process's modules.
func (p *process) modules(at place) (dirNode, error) {
	return &modulesDir{at, p.fs, func(context.Context) (*moduleTable, error) { return p.moduleTable().moduleTable, nil }}, nil
}

// modulesCSV is the table of the executable images in a process's address space.
func (p *process) modulesCSV() (*body, error) {
	at := p.at.child(modulesName)
	t := p.moduleTable()
	names := map[*memimage.FoundModule]string{}
	for i, m := range t.of {
		names[m] = t.names[i]
	}
	_, damage := p.Modules()
	rows := &lateTable[*memimage.FoundModule]{
		columns: []string{"base", "size", "bits", "kind", "main", "loader_path", "file_path", "load_order", "memory_order", "init_order",
			"load_order_32", "memory_order_32", "init_order_32", "entry_point", "load_count", "loaded", "region_type", "protection", "evidence"},
		row:  moduleRow,
		late: imageColumns(),
		cells: func(ctx context.Context, m *memimage.FoundModule) ([]string, error) {
			return p.fs.imageCells(ctx, m.Module, dllKind, at.child(names[m]))
		},
	}
	return rows.file(p.fs, p.at.child("modules.csv").name, t.names, t.of, damage)
}

func moduleRow(of *memimage.FoundModule, _ string) []string {
	m := of.Found
	row := []string{hex(m.Base), fmt.Sprint(m.Size), fmt.Sprint(m.Bits), m.Kind.String(), fmt.Sprint(m.Main)}
	e := m.Listed()
	if e == nil {
		e = &nt.LoaderEntry{LoadCount: -1}
	}
	row = append(row, e.Path, m.Path)
	for _, e := range []*nt.LoaderEntry{m.Entry, m.Entry32} {
		row = append(row, placeText(e, nt.LoadOrder), placeText(e, nt.MemoryOrder), placeText(e, nt.InitOrder))
	}
	row = append(row, hex(e.EntryPoint), left(e.LoadCount), stampText(e.Loaded))
	if !m.HasVAD {
		return append(row, "", "", m.Evidence)
	}
	return append(row, m.VAD.Type(), m.VAD.Protection.String(), m.Evidence)
}

// placeText writes an entry's place in a list, or nothing where it is not in it.
func placeText(e *nt.LoaderEntry, o nt.LoaderOrder) string {
	if e == nil || !e.In(o) {
		return ""
	}
	return fmt.Sprint(e.Places[o])
}
