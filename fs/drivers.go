package fs

import (
	"context"
	"fmt"

	"memlens/memimage"
	"memlens/memimage/report"
	"memlens/memimage/sparse"
)

const driversName = "drivers"

// The tables of drivers, at the root and in scanned/.
const (
	driversCSV  = "drivers.csv"
	unloadedCSV = "unloaded-drivers.csv"
)

// driverSet is a set of drivers that are shown together: the drivers in the kernel's list, or the drivers that the list
// lacks.
type driverSet struct {
	fs    *FS
	at    place // of the directory that has them
	names *derived[*memimage.Driver, *moduleTable]
	find  func(ctx context.Context) ([]*memimage.Driver, []error, error)
}

// drivers are the drivers in the kernel's list, shown at the root of the tree.
func (f *FS) drivers() *driverSet {
	return &driverSet{f, f.root.at, &f.listedDrivers, func(context.Context) ([]*memimage.Driver, []error, error) {
		drivers, damage := f.image.Drivers()
		return drivers, damage, nil
	}}
}

// scannedDrivers are the drivers that the list lacks.
func (f *FS) scannedDrivers(at place) *driverSet {
	return &driverSet{f, at, &f.foundDrivers, func(ctx context.Context) ([]*memimage.Driver, []error, error) {
		return searched(f, func() ([]*memimage.Driver, error) { return f.image.ScannedDrivers(ctx) })
	}}
}

// table returns the directories of the drivers.
func (s *driverSet) table(ctx context.Context) (*moduleTable, error) {
	drivers, damage, err := s.find(ctx)
	if err != nil {
		return nil, err
	}
	return s.tableOf(drivers, damage), nil
}

// tableOf returns the directories of drivers. They are kept, unless reading failed while the drivers were looked for.
func (s *driverSet) tableOf(drivers []*memimage.Driver, damage []error) *moduleTable {
	make := func(drivers []*memimage.Driver) *moduleTable { return driverTable(drivers, damage) }
	if failedOf(damage) != nil {
		return make(drivers)
	}
	return s.names.of(drivers, make)
}

func driverTable(drivers []*memimage.Driver, damage []error) *moduleTable {
	entries := make([]moduleEntry, len(drivers))
	for i, d := range drivers {
		entries[i] = moduleEntry{d.Module, func(out *moduleDescription) { out.driver(d) }}
	}
	return newModuleTable(driverKind, entries, damage)
}

// dir is the directory of the drivers.
func (s *driverSet) dir(at place) (dirNode, error) { return &modulesDir{at, s.fs, s.table}, nil }

// namedDriver is a driver with the name of its directory.
type namedDriver struct {
	*memimage.Driver
	name string
}

// named returns the drivers with their names, and the damage to their list. The error is from a read that failed.
func (s *driverSet) named(ctx context.Context) (rows []namedDriver, damage []error, err error) {
	drivers, damage, err := s.find(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := failedOf(damage); err != nil {
		return nil, nil, err
	}
	for i, name := range s.tableOf(drivers, damage).names {
		rows = append(rows, namedDriver{drivers[i], name})
	}
	return rows, damage, nil
}

// csv is the table of the drivers.
func (s *driverSet) csv(ctx context.Context) (*body, error) {
	rows, damage, err := s.named(ctx)
	if err != nil {
		return nil, err
	}
	at := s.at.child(driversName)
	columns := &lateTable[namedDriver]{
		early:   driverColumns,
		late:    imageColumns(s.fs.image.Sources(), false),
		row:     driverRow,
		longest: func(d namedDriver) ([]string, error) { return s.fs.longestImage(d.Module, false), nil },
		cells: func(ctx context.Context, d namedDriver) ([]string, error) {
			return s.fs.imageCells(ctx, d.Module, driverKind, at.child(d.name), false)
		},
	}
	return columns.file(ctx, s.fs, s.at.child(driversCSV).name, rows, damage)
}

func driverRow(of namedDriver) []string {
	d, recovery := report.DriverOf(of.Image(), of.Driver), report.RecoveryOf(of.Module)
	return []string{of.name, d.Base.String(), fmt.Sprint(d.Size), d.Kind, d.Name, d.LoaderPath, fmt.Sprint(d.Listed), knownOr(d.LoadOrder, "unknown"),
		d.Entry.String(), d.EntryPhysical.String(), d.EntryPoint.String(), knownNumber(d.LoadCount), hexNumber(d.Flags), d.ReadThrough, d.Damage,
		recovery.NotRecoveredText, string(recovery.NotRecovered)}
}

// unloadedCSV is the table of the drivers that the kernel remembers to have unloaded.
func (f *FS) unloadedCSV() ([]byte, error) {
	unloaded, why := f.image.Kernel.UnloadedDrivers()
	if err := sparse.OnlyFailed(why); err != nil {
		return nil, err
	}
	return table(unloadedDriverColumns, func(add func(...string)) {
		for _, d := range unloaded {
			add(d.Name, hex(d.Start), hex(d.End), stampText(d.Time), "")
		}
		if why != nil {
			add("", "", "", "", why.Error())
		}
	})
}
