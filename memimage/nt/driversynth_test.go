package nt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// driverSystem is a small system with drivers of all sorts.
func driverSystem(t testing.TB, name string) synth.System {
	s := system(t, name)
	exe := func(name string) *synth.Executable {
		return synth.NewProgram(synth.Program{Name: name, Bits: int(s.Profile.Arch().PointerSize()) * 8, DLL: true})
	}
	noHeader := func(page int) synth.State { return map[int]synth.State{0: synth.PageFile, 2: synth.Transition}[page] }
	s.Drivers = []synth.Driver{
		{Name: "first.sys", Image: exe("first.sys")},
		{Name: "hidden.sys", Image: exe("hidden.sys"), Unlinked: true},
		{Name: "bare.sys", Image: exe("bare.sys"), NoEntry: true},
		{Name: "nohdr.sys", Image: exe("nohdr.sys"), Pages: noHeader},
		{Name: "gone.sys"},
		{Name: "win32k.sys", Image: exe("win32k.sys"), Session: true},
		{Name: "old.sys", Unlinked: true},
		{Name: "last.sys", Image: exe("last.sys")},
	}
	return s
}

// driverKinds are the kinds of the drivers of that system.
var driverKinds = map[string]DriverKind{"ntoskrnl.exe": DriverLoaded, "hal.dll": DriverNoImage, "first.sys": DriverLoaded,
	"hidden.sys": DriverUnlinked, "bare.sys": DriverNoEntry, "nohdr.sys": DriverNoHeader, "gone.sys": DriverNoImage,
	"win32k.sys": DriverInSession, "old.sys": DriverUnloaded, "last.sys": DriverLoaded}

func listedDrivers(k *Kernel) (out []*Driver, damage []error) {
	for d, err := range k.Drivers() {
		if err != nil {
			damage = append(damage, err)
			continue
		}
		out = append(out, d)
	}
	return out, damage
}

func scannedDrivers(t testing.TB, k *Kernel) []*Driver {
	t.Helper()
	out, err := k.ScanDrivers(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func driverNames(ds []*Driver) string {
	var out []string
	for _, d := range ds {
		out = append(out, strings.TrimSuffix(d.Name, ".sys"))
	}
	return strings.Join(out, " ")
}

const (
	allListed  = "ntoskrnl.exe hal.dll first nohdr gone win32k last"
	allScanned = "hidden bare old"
)

func TestDriversOfASystem(t *testing.T) {
	for _, name := range kinds {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, driverSystem(t, name))
			listed, damage := listedDrivers(l.whole)
			if got := driverNames(listed); got != allListed || damage != nil {
				t.Fatalf("list %q, %v", got, damage)
			}
			scanned := scannedDrivers(t, l.whole)
			if got := driverNames(scanned); got != allScanned {
				t.Fatalf("scan %q", got)
			}
			for i, d := range listed {
				if !d.Listed || d.Index != i {
					t.Errorf("%s is number %d", d.Name, d.Index)
				}
			}
			truth := map[string]synth.DriverTruth{}
			for _, d := range l.built.Truth.Drivers {
				truth[d.Name] = d
			}
			for _, d := range append(listed, scanned...) {
				want, ok := truth[d.Name]
				if d.Kind != driverKinds[d.Name] {
					t.Errorf("%s: %v, want %v", d.Name, d.Kind, driverKinds[d.Name])
				}
				if ok && (uint64(d.Base) != want.Base || d.Size != want.Size || uint64(d.Entry) != want.Entry || (d.EntryPA != 0) == want.NoEntry) {
					t.Errorf("%+v, want %+v", d, want)
				}
				if inSession := d.Space.Owner != nil; inSession != want.Session {
					t.Errorf("%s: in a session: %v", d.Name, inSession)
				}
			}
		})
	}
}

// TestDamagedDriverList: a driver that is reached from neither end is found by the scan, as a driver in the list.
func TestDamagedDriverList(t *testing.T) {
	corpus.Long(t)
	entry := func(l *lab, name string) uint64 {
		for _, d := range l.built.Truth.Drivers {
			if d.Name == name {
				return d.Entry
			}
		}
		return l.built.Truth.Kernel.Modules[map[string]int{"ntoskrnl.exe": 0, "hal.dll": 1}[name]]
	}
	flink := func(l *lab, name string, to uint64) { l.writePtr(entry(l, name), to) }
	blink := func(l *lab, name string, to uint64) { l.writePtr(entry(l, name)+uint64(l.whole.kernel.pointer), to) }
	for _, name := range []string{kinds[0], kinds[3]} {
		whole := newLab(t, driverSystem(t, name))
		for _, c := range []struct {
			what         string
			damage       func(l *lab)
			list, scan   string
			complaints   int
			listedByScan string
		}{
			{"a loop", func(l *lab) { flink(l, "gone.sys", entry(l, "first.sys")) },
				"ntoskrnl.exe hal.dll first nohdr gone last win32k", allScanned, 1, ""},
			{"a link to nowhere", func(l *lab) { flink(l, "first.sys", 0x1000) },
				"ntoskrnl.exe hal.dll first last win32k gone nohdr", allScanned, 1, ""},
			{"links to nowhere on both ways", func(l *lab) { flink(l, "first.sys", 0x1000); blink(l, "win32k.sys", 0x1000) },
				"ntoskrnl.exe hal.dll first last win32k", "hidden bare nohdr gone old", 2, "nohdr gone"},
			{"an absurd size", func(l *lab) {
				l.write(entry(l, "nohdr.sys")+l.offset("_LDR_DATA_TABLE_ENTRY.SizeOfImage"), []byte{0, 0, 0, 0xff})
			},
				"ntoskrnl.exe hal.dll first last win32k gone", allScanned, 2, ""},
			{"a base in a program", func(l *lab) { l.writePtr(entry(l, "nohdr.sys")+l.offset("_LDR_DATA_TABLE_ENTRY.DllBase"), 0x400000) },
				"ntoskrnl.exe hal.dll first last win32k gone", allScanned, 2, ""},
			{"unlinked forward only", func(l *lab) { flink(l, "nohdr.sys", entry(l, "win32k.sys")) },
				"ntoskrnl.exe hal.dll first nohdr win32k last gone", allScanned, 0, ""},
			{"head that leads nowhere", func(l *lab) { l.writePtr(l.built.Truth.Kernel.PsLoadedModuleList, 0x1000) },
				"last win32k gone nohdr first hal.dll ntoskrnl.exe", allScanned, 1, ""},
		} {
			t.Run(name+"/"+c.what, func(t *testing.T) {
				l := *whole
				l.t, l.damage = t, nil
				c.damage(&l)
				k := l.kernel()
				listed, damage := listedDrivers(k)
				if got := driverNames(listed); got != c.list || len(damage) != c.complaints {
					t.Errorf("list %q, %v", got, damage)
				}
				var scan, inList []*Driver
				for _, d := range scannedDrivers(t, k) {
					if scan = append(scan, d); d.Listed {
						inList = append(inList, d)
					}
				}
				got, want := strings.Fields(driverNames(scan)), strings.Fields(c.scan)
				if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) || driverNames(inList) != c.listedByScan {
					t.Errorf("scan %q, in the list %q", got, driverNames(inList))
				}
			})
		}
	}
}

// TestDriverListIsFoundWithoutDebuggerData removes the ways to the list, one after the other.
func TestDriverListIsFoundWithoutDebuggerData(t *testing.T) {
	corpus.Long(t)
	for _, name := range kinds {
		s := driverSystem(t, name)
		s.KDBG = synth.KDBGWiped
		for _, identity := range []*synth.RSDS{nil, {PDB: "ntkrnlmp.pdb", GUID: strings.Repeat("7", 32), Age: 1}} {
			s.Identity = identity
			l := newLab(t, s)
			if head, err := l.whole.PsLoadedModuleList(); uint64(head) != l.built.Truth.Kernel.PsLoadedModuleList {
				t.Errorf("%s: the list's head is at %#x; %v", name, uint64(head), err)
			}
			if head := l.whole.searchDriverList(); uint64(head) != l.built.Truth.Kernel.PsLoadedModuleList {
				t.Errorf("%s: the search finds the list's head at %#x", name, uint64(head))
			}
		}
	}
	l := newLab(t, driverSystem(t, "Win7SP1x64"))
	k := *l.whole
	k.debugger, k.Base, k.imageSize = nil, 0, 0
	if _, err := k.PsLoadedModuleList(); !errors.Is(err, errNoDriverList) {
		t.Errorf("of a kernel that is not found: %v", err)
	}
	if listed, damage := listedDrivers(&k); listed != nil || len(damage) != 1 {
		t.Errorf("of a kernel that is not found: %d drivers, %v", len(listed), damage)
	}
}

// TestScanTellsDriversFromTheirLooks changes the hidden driver.
func TestScanTellsDriversFromTheirLooks(t *testing.T) {
	corpus.Long(t)
	for _, name := range []string{kinds[0], kinds[3]} {
		whole := newLab(t, driverSystem(t, name))
		truth := map[string]synth.DriverTruth{}
		for _, d := range whole.built.Truth.Drivers {
			truth[d.Name] = d
		}
		hidden, bare := truth["hidden.sys"], truth["bare.sys"]
		header := uint64(2 * whole.whole.kernel.pointer)
		member := func(m string) uint64 { return hidden.Entry + whole.offset("_LDR_DATA_TABLE_ENTRY."+m) }
		for _, c := range []struct {
			what   string
			damage func(l *lab)
			want   string
			kind   DriverKind // of the hidden driver
		}{
			{"nothing", func(*lab) {}, allScanned, DriverUnlinked},
			{"another tag", func(l *lab) { l.write(hidden.Entry-header+4, []byte("Abcd")) }, allScanned, DriverNoEntry},
			{"another tag, no header", func(l *lab) {
				l.write(hidden.Entry-header+4, []byte("Abcd"))
				l.write(hidden.Base, []byte{0, 0})
			}, "bare old", 0},
			{"no header", func(l *lab) { l.write(hidden.Base, []byte{0, 0}) }, allScanned, DriverUnlinked},
			{"a header of another size", func(l *lab) { l.write(hidden.Base+0x80+0x18+0x38, []byte{0, 0x30, 0, 0}) }, allScanned, DriverUnlinked},
			{"a small block", func(l *lab) { l.write(hidden.Entry-header+2, []byte{4, 2}) }, allScanned, DriverNoEntry},
			{"an entry point elsewhere", func(l *lab) { l.writePtr(member("EntryPoint"), hidden.Base+uint64(hidden.Size)) }, allScanned, DriverNoEntry},
			{"a name of no bytes", func(l *lab) { l.write(member("BaseDllName"), []byte{0, 0}) }, allScanned, DriverNoEntry},
			{"a copy of a listed one", func(l *lab) {
				l.writePtr(member("DllBase"), truth["first.sys"].Base)
				l.writePtr(member("EntryPoint"), 0)
			},
				allScanned, DriverNoEntry},
			{"links into a program", func(l *lab) { l.writePtr(hidden.Entry, 0x400000) }, allScanned, DriverNoEntry},
			{"the image for another processor", func(l *lab) { l.write(bare.Base+0x80+4, []byte{0xc0, 1}) }, "hidden old", DriverUnlinked},
			{"a file, not loaded", func(l *lab) { l.unload(bare.Base) }, "hidden old", DriverUnlinked},
			{"a remnant with another name", func(l *lab) {
				l.writePtr(truth["old.sys"].Entry+l.offset("_LDR_DATA_TABLE_ENTRY.BaseDllName.Buffer"), hidden.Entry)
			}, "hidden bare", DriverUnlinked},
		} {
			t.Run(name+"/"+c.what, func(t *testing.T) {
				l := *whole
				l.t, l.damage = t, nil
				c.damage(&l)
				got := scannedDrivers(t, l.kernel())
				if driverNames(got) != c.want {
					t.Errorf("drivers %q, want %q", driverNames(got), c.want)
				}
				for _, d := range got {
					if d.Name == "hidden.sys" && d.Kind != c.kind {
						t.Errorf("hidden.sys: %v, want %v", d.Kind, c.kind)
					}
				}
			})
		}
	}
}

// unload makes a driver's image equal its file: its header has another address, and its imports are not resolved.
func (l *lab) unload(base uint64) {
	h, err := l.whole.driverHeader(l.whole.Space, paging.Virt(base))
	if err != nil {
		l.t.Fatal(err)
	}
	at := base + 0x80 + 0x18 + 0x1c
	if l.whole.kernel.pointer == 8 {
		at = base + 0x80 + 0x18 + 0x18
	}
	l.writePtr(at, 0x10000)
	l.write(base+uint64(h.slots.RVA), make([]byte, h.slots.Size))
}

// TestCopiesOfDrivers: a second copy of a driver in memory, in another place, is not a hidden driver.
func TestCopiesOfDrivers(t *testing.T) {
	for _, name := range kinds {
		s := driverSystem(t, name)
		s.Drivers = append(s.Drivers, synth.Driver{Name: "copy", Image: s.Drivers[0].Image, NoEntry: true})
		l := newLab(t, s)
		found := map[DriverKind]int{}
		for _, d := range scannedDrivers(t, l.whole) {
			found[d.Kind]++
		}
		if want := map[DriverKind]int{DriverUnlinked: 1, DriverNoEntry: 1, DriverUnloaded: 1, DriverCopy: 1}; !maps.Equal(found, want) {
			t.Errorf("%s: %v, want %v", name, found, want)
		}
	}
}

// TestOverwrittenDriver: a driver that lost only its header, and a driver of which only zeros are left.
func TestOverwrittenDriver(t *testing.T) {
	l := newLab(t, driverSystem(t, "WinXPSP2x86"))
	first, last := l.built.Truth.Drivers[0], l.built.Truth.Drivers[7]
	l.write(first.Base, make([]byte, pageSize))
	for rva := uint64(0); rva < uint64(last.Size); rva += pageSize {
		if _, err := l.whole.Space.Translate(paging.Virt(last.Base + rva)); err == nil {
			l.write(last.Base+rva, make([]byte, pageSize))
		}
	}
	listed, _ := listedDrivers(l.kernel())
	for _, d := range listed {
		if want := map[string]DriverKind{"first.sys": DriverOverwritten, "last.sys": DriverNoImage}; want[d.Name] != 0 && d.Kind != want[d.Name] {
			t.Errorf("%s: %v", d.Name, d.Kind)
		}
	}
}

// TestDriverSpaceWithPageFiles: a header in the page file is read with all sources, and not by the tables alone.
func TestDriverSpaceWithPageFiles(t *testing.T) {
	l := newLab(t, driverSystem(t, "Win7SP1x64"))
	nohdr := l.built.Truth.Drivers[3]
	k := l.whole.WithPageFiles(sparse.Bytes(l.built.PageFile))
	d, ok := k.DriverSpace(paging.Virt(nohdr.Base), nohdr.Size)
	if !ok || d.Header || hasPage(d.Tables, paging.Virt(nohdr.Base)) || !hasPage(d.Complete, paging.Virt(nohdr.Base)) {
		t.Errorf("space %+v, %v", d, ok)
	}
	listed, _ := listedDrivers(k)
	if listed[3].Kind != DriverLoaded || listed[3].Space.Header {
		t.Errorf("%s: %v", listed[3].Name, listed[3].Kind)
	}
	if _, ok := k.DriverSpace(paging.Virt(l.built.Truth.Drivers[4].Base), 0x1000); ok {
		t.Error("there is a space for a driver of which nothing is in memory")
	}
}

// TestScanOfDriversStops: the context ends it.
func TestScanOfDriversStops(t *testing.T) {
	l := newLab(t, driverSystem(t, "WinXPSP2x86"))
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := l.whole.ScanDrivers(ctx, func(int64, int64) { cancel() }); err == nil {
		t.Error("the scan went on")
	}
}

// TestUnloadedDrivers reads arrays written by hand: of more drivers than fit, of fewer, and of damaged rows.
func TestUnloadedDrivers(t *testing.T) {
	for _, name := range []string{"WinXPSP2x86", "Win7SP1x64"} {
		for _, n := range []int{0, 3, 50, 73} {
			f := newFlat(t, name, 1<<20)
			p := profile.Offset(f.k.kernel.pointer)
			row := 4*int(p) + 8
			array, variables := f.alloc(maxUnloaded*row), f.alloc(64)
			f.ptr(variables, 0, array)
			f.u32(variables, 8, uint32(n%maxUnloaded))
			var want []string
			for i := range n {
				text := f.alloc(32)
				driver := fmt.Sprintf("driver%02d.sys", i)
				for j, c := range driver {
					f.at(text, profile.Offset(2*j))[0] = byte(c)
				}
				at := array + paging.Virt(i%maxUnloaded*row)
				binary.LittleEndian.PutUint16(f.at(at, 0), uint16(2*len(driver)))
				f.ptr(at, p, text)
				f.ptr(at, 2*p, f.base+0x100000)
				f.ptr(at, 3*p, f.base+0x110000)
				binary.LittleEndian.PutUint64(f.at(at, 4*p), 129390421590000000+uint64(i)*1e7)
				want = append(want, driver)
			}
			slices.Reverse(want)
			f.k.debugger = f.debugger(map[profile.Offset]paging.Virt{kdbgMmUnloadedDrivers: variables, kdbgMmLastUnloaded: variables + 8})
			got, err := f.k.UnloadedDrivers()
			var names []string
			for _, d := range got {
				if names = append(names, d.Name); d.Time.Year() != 2011 || d.End-d.Start != 0x10000 {
					t.Errorf("%+v", d)
				}
			}
			if err != nil || !slices.Equal(names, want[:min(n, maxUnloaded)]) {
				t.Errorf("%s: %d drivers %q, %v", name, n, names, err)
			}
		}
	}
}

// debugger is a debugger data block with some members.
func (f *flat) debugger(members map[profile.Offset]paging.Virt) *debuggerData {
	b := make([]byte, kdbgLeast)
	for off, va := range members {
		binary.LittleEndian.PutUint64(b[off:], uint64(va))
	}
	return &debuggerData{rec: record{b, f.k.kernel.pointer}}
}

// TestUnloadedDriversAreMissing: each way in which the array cannot be read is an error; an empty array is none.
func TestUnloadedDriversAreMissing(t *testing.T) {
	f := newFlat(t, "Win7SP1x64", 1<<20)
	variables := f.alloc(64)
	for _, c := range []struct {
		what  string
		d     *debuggerData
		array paging.Virt
		fails bool
	}{
		{"no block", nil, 0, true},
		{"no member", f.debugger(nil), 0, true},
		{"a variable that cannot be read", f.debugger(map[profile.Offset]paging.Virt{kdbgMmUnloadedDrivers: 0x1000}), 0, true},
		{"none was unloaded", f.debugger(map[profile.Offset]paging.Virt{kdbgMmUnloadedDrivers: variables}), 0, false},
		{"an array that cannot be read", f.debugger(map[profile.Offset]paging.Virt{kdbgMmUnloadedDrivers: variables}), 0x1000, true},
		{"an array of zeros", f.debugger(map[profile.Offset]paging.Virt{kdbgMmUnloadedDrivers: variables}), f.base + 0x8000, false},
	} {
		f.k.debugger = c.d
		f.ptr(variables, 0, c.array)
		if got, err := f.k.UnloadedDrivers(); len(got) > 0 || (err != nil) != c.fails {
			t.Errorf("%s: %v, %v", c.what, got, err)
		}
	}
}
