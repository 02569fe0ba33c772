package nt

import (
	"context"
	"fmt"
	"testing"

	"memlens/memimage/profile"
	"memlens/memimage/synth/corpus"
)

func foundKernel(t testing.TB, name string) *Kernel {
	t.Helper()
	k, err := Find(context.Background(), referenceMemory(t, name), Options{Profiles: profile.Builtin()})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// bootCopies are how many drivers an image holds a second time, where the boot loader had put them.
var bootCopies = map[string]int{"ReactOS0413x86": 26}

// TestDriversAreThoseOfTheTruth: the list and the scan together give all drivers of the truth and no others.
func TestDriversAreThoseOfTheTruth(t *testing.T) {
	corpus.Long(t)
	for _, name := range corpus.DriverImages {
		t.Run(name, func(t *testing.T) {
			truth, k := corpus.LoadDrivers(t, name), foundKernel(t, name)
			if head, err := k.PsLoadedModuleList(); fmt.Sprintf("%#x", uint64(head)) != truth.PsLoadedModuleList {
				t.Errorf("the list's head is at %#x, want %s; %v", uint64(head), truth.PsLoadedModuleList, err)
			}
			found, copies := map[string]*Driver{}, 0
			for d, err := range k.Drivers() {
				if err != nil {
					t.Error(err)
					continue
				}
				found[fmt.Sprintf("%#x", uint64(d.Base))] = d
			}
			scanned, err := k.ScanDrivers(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range scanned {
				if d.Kind == DriverCopy {
					copies++
					continue
				}
				found[fmt.Sprintf("%#x", uint64(d.Base))] = d
			}
			for _, want := range truth.Drivers {
				if d := found[want.Base]; d == nil {
					t.Errorf("%s at %s is missing", want.Name, want.Base)
				} else {
					checkDriver(t, d, want)
				}
				delete(found, want.Base)
			}
			if want := bootCopies[name]; copies != want {
				t.Errorf("%d copies of drivers, want %d", copies, want)
			}
			for _, d := range found {
				t.Errorf("driver %+v does not exist", d)
			}
		})
	}
}

func checkDriver(t *testing.T, d *Driver, want corpus.Driver) {
	t.Helper()
	index, session := -1, -1
	if want.Index != nil {
		index = *want.Index
	}
	if d.Space.Owner != nil {
		id, _ := d.Space.Owner.SessionID()
		session = int(id)
	}
	if got := fmt.Sprintf("%d %t %d %s %s %#x %#x", d.Index, d.Listed, d.Size, d.Name, d.Path, uint64(d.EntryPoint), uint64(d.Entry)); got !=
		fmt.Sprintf("%d %t %d %s %s %s %s", index, want.Index != nil, want.Size, want.Name, want.Path, want.Entry, want.Ldr) {
		t.Errorf("driver %s, want %+v", got, want)
	}
	if d.Kind.String() != want.Class || want.Session != nil && *want.Session != session || want.LoadCount != nil && *want.LoadCount != int(d.LoadCount) {
		t.Errorf("%s: %v, session %d, load count %d; want %s, %v, %v", d.Name, d.Kind, session, d.LoadCount, want.Class, want.Session, want.LoadCount)
	}
	if d.Damage != nil {
		t.Errorf("%s: %v", d.Name, d.Damage)
	}
}
