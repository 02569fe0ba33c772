package memimage

import (
	"context"
	"errors"
	"testing"

	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/pedump"

	"memlens/memimage/synth/corpus"
)

// TestDriverDumpsAreVolatilitys compares both dumps of every driver with Volatility 2's dumps, and with the dumps that
// all page sources give.
func TestDriverDumpsAreVolatilitys(t *testing.T) {
	corpus.Long(t)
	for _, level := range dumpLevels {
		for _, name := range level.images {
			t.Run(level.name+"/"+name, func(t *testing.T) {
				drivers := allDrivers(t, openReference(t, name, level.options))
				c := dumpCheck{t: t, level: level.name}
				for _, want := range corpus.LoadDrivers(t, name).Drivers {
					c.driver(drivers[paging.Virt(hexNumber(t, want.Base))], want)
				}
				if t.Logf("%d dumps are right, %d there are none of", c.right, c.none); c.right == 0 {
					t.Error("no dump was compared")
				}
			})
		}
	}
}

// allDrivers returns the drivers in the list, and the drivers that a scan finds, by their base.
func allDrivers(t testing.TB, im *Image) map[paging.Virt]*Driver {
	t.Helper()
	listed, damage := im.Drivers()
	scanned, err := im.ScannedDrivers(context.Background())
	if err != nil || len(damage) > 0 {
		t.Fatal(err, damage)
	}
	out := map[paging.Virt]*Driver{}
	for _, d := range append(append([]*Driver(nil), listed...), scanned...) {
		out[d.Driver.Base] = d
	}
	return out
}

// driver checks the dumps and sections of one driver.
func (c *dumpCheck) driver(d *Driver, want corpus.Driver) {
	c.t.Helper()
	if d == nil {
		c.t.Errorf("%s at %s, %s: not found", want.Name, want.Base, want.Class)
		return
	}
	dumps, known := wantedDumps(want.Dumps, want.Volatility, c.level, "moddump")
	if known && d.Space.Header != (dumps.Status != "no-address-space") {
		c.t.Errorf("%s: its header page is in memory: %v, want %s", d.Driver.Name, d.Space.Header, dumps.Status)
	}
	if known {
		c.both(want.Name+" at "+want.Base+", "+want.Class, d.Module, dumps)
	}
	if d.Space.Header {
		checkSections(c.t, d.Driver, want)
	}
}

// checkSections compares the sections and the missing pages with the truth. Pages of drivers in memory are missing
// because their section was discarded.
func checkSections(t *testing.T, d *nt.Driver, want corpus.Driver) {
	t.Helper()
	header, err := pedump.Parse(d.Space.Tables.Window(d.Base, int64(d.Size)))
	if err != nil || len(want.Sections) == 0 {
		return
	}
	for i, s := range want.Sections {
		if got := header.Sections[i]; got.Name() != s.Name || got.VirtualAddress != s.RVA || got.Discardable() != s.Discardable {
			t.Errorf("%s: section %s at %#x, discardable: %v; want %+v", d.Name, got.Name(), got.VirtualAddress, got.Discardable(), s)
		}
	}
	for rva := int64(0); rva < int64(d.Size); rva += 0x1000 {
		_, err := d.Space.Tables.Translate(d.Base + paging.Virt(rva))
		var fault *paging.FaultError
		if !errors.As(err, &fault) || fault.State == paging.PageFile {
			continue
		}
		if s, ok := header.SectionAt(uint32(rva)); !ok || !s.Discardable() {
			t.Errorf("%s: the page at RVA %#x is gone, which is in no section that is discarded: %v", d.Name, rva, err)
		}
	}
}
