package fs

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"memlens/memimage"
	"memlens/memimage/report"
)

const modulesName = "modules"

// processModules is the directories of a process's modules, with their process.
type processModules struct {
	*moduleTable
	of     []*memimage.FoundModule
	damage []error
}

// keptModuleTables is how many processes' names of modules are kept.
const keptModuleTables = 128

// moduleTable returns the directories of the process's modules. They are kept, unless reading failed while the modules were
// looked for.
func (p *process) moduleTable() *processModules {
	found, damage := p.Modules()
	failed := failedOf(damage)
	if t, ok := p.fs.moduleTables.Get(p.Process); ok && failed == nil && sameList(t.of, found) {
		return t
	}
	entries := make([]moduleEntry, len(found))
	for i, m := range found {
		entries[i] = moduleEntry{m.Module, func(d *moduleDescription) { d.module(p.Process, m) }}
	}
	t := &processModules{newModuleTable(dllKind, entries, damage), found, damage}
	if failed == nil {
		p.fs.moduleTables.Add(p.Process, t)
	}
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

// namedModule is a module with the name of its directory.
type namedModule struct {
	*memimage.FoundModule
	name string
}

// modulesCSV is the table of the executable images in a process's address space.
func (p *process) modulesCSV(ctx context.Context) (*body, error) {
	t := p.moduleTable()
	if err := failedOf(t.damage); err != nil {
		return nil, err
	}
	rows := make([]namedModule, len(t.of))
	for i, m := range t.of {
		rows[i] = namedModule{m, t.names[i]}
	}
	at := p.at.child(modulesName)
	columns := &lateTable[namedModule]{
		early:   moduleColumns,
		late:    imageColumns(p.fs.image.Sources(), true),
		row:     func(m namedModule) []string { return moduleRow(p.Process, m) },
		longest: func(m namedModule) ([]string, error) { return p.fs.longestImage(m.Module, true), nil },
		cells: func(ctx context.Context, m namedModule) ([]string, error) {
			return p.fs.imageCells(ctx, m.Module, dllKind, at.child(m.name), true)
		},
	}
	return columns.file(ctx, p.fs, p.at.child("modules.csv").name, rows, t.damage)
}

func moduleRow(p *memimage.Process, of namedModule) []string {
	m, recovery := report.ModuleOf(p, of.FoundModule), report.RecoveryOf(of.Module)
	return []string{of.name, m.Base.String(), fmt.Sprint(m.Size), fmt.Sprint(m.Bits), m.Kind, fmt.Sprint(m.Main), m.LoaderPath, m.Path,
		knownNumber(m.LoadOrder), knownNumber(m.MemoryOrder), knownNumber(m.InitOrder),
		knownNumber(m.LoadOrder32), knownNumber(m.MemoryOrder32), knownNumber(m.InitOrder32),
		m.EntryPoint.String(), knownOr(m.LoadCount, "unknown"), report.TimeText(m.Loaded), m.RegionType, m.Protection, m.Evidence,
		recovery.NotRecoveredText, string(recovery.NotRecovered)}
}

// knownOr writes a number, or none for a number that is not known.
func knownOr[T any](n *T, none string) string { return cmp.Or(knownNumber(n), none) }
