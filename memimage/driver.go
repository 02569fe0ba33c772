package memimage

import (
	"context"
	"fmt"

	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/reason"
)

// Driver is an executable image that the kernel has loaded for itself. The methods of Module are about that image.
type Driver struct {
	*nt.Driver
	*Module
}

// driverList is the result of one walk of the list of loaded modules.
type driverList struct {
	drivers []*Driver
	damage  []error
}

// Drivers returns the drivers in the kernel's list, in its order, the kernel itself first, and the damage of the list.
// Reads that failed give the same errors as in [Process.Modules].
func (im *Image) Drivers() ([]*Driver, []error) {
	l := im.drivers()
	return l.drivers, l.damage
}

func (im *Image) listDrivers() driverList {
	var l driverList
	before := im.faults.Count()
	for d, err := range im.Kernel.Drivers() {
		if err != nil {
			l.damage = append(l.damage, err)
			continue
		}
		l.drivers = append(l.drivers, im.driver(d))
	}
	if failed := im.faults.Since(before); failed != nil {
		l.damage = append(l.damage, fmt.Errorf("memimage: the list of drivers: %w", failed))
	}
	return l
}

func (im *Image) driver(d *nt.Driver) *Driver {
	return &Driver{d, im.module(nil, &driverImage{im, d})}
}

// ScannedDrivers returns the drivers that the kernel's list lacks, found by scanning physical memory, as
// [Image.Scanned] does for processes.
func (im *Image) ScannedDrivers(ctx context.Context) ([]*Driver, error) {
	return im.scannedDrivers.get(ctx, im, "scanning for drivers", func(ctx context.Context, progress func(done, total int64)) ([]*Driver, error) {
		found, err := im.Kernel.ScanDrivers(ctx, progress)
		out := make([]*Driver, len(found))
		for i, d := range found {
			out[i] = im.driver(d)
		}
		return out, err
	})
}

// driverImage is where a driver's image lies.
type driverImage struct {
	im     *Image
	driver *nt.Driver
}

func (d *driverImage) noun() string                { return "driver" }
func (d *driverImage) name() string                { return d.driver.Name }
func (d *driverImage) path() string                { return d.driver.Path }
func (d *driverImage) claimedPath() (string, bool) { return d.driver.Path, false }
func (d *driverImage) names() []string             { return []string{d.driver.Name, baseName(d.driver.Path)} }
func (d *driverImage) address() paging.Virt        { return d.driver.Base }
func (d *driverImage) space() *paging.Space        { return d.driver.Space.Complete }
func (d *driverImage) pages(paging.Virt) int64 {
	return (int64(d.driver.Size) + pageSize - 1) / pageSize
}

// CheckSpace implements [location].
func (d *driverImage) CheckSpace() error {
	if d.driver.Space.Complete == nil {
		return reason.Errorf(reason.NoImage, "the driver's image at %#x is not in memory: no address space has a page of it", uint64(d.driver.Base))
	}
	return nil
}

// classic implements [location]: Volatility reads a driver through the first address space that has its header.
func (d *driverImage) classic() (*paging.Space, paging.Virt, error) {
	if err := d.CheckSpace(); err != nil {
		return nil, 0, err
	}
	if d.im.options.AllPages {
		return d.driver.Space.Complete, d.driver.Base, nil
	}
	return d.driver.Space.Tables, d.driver.Base, nil
}

func (d *driverImage) mapping() (*nt.Mapping, error) {
	if err := d.CheckSpace(); err != nil {
		return nil, err
	}
	return d.im.Kernel.SystemMapping(d.driver.Base, d.pages(d.driver.Base), d.driver.Space.Tables, d.driver.Space.Complete), nil
}
