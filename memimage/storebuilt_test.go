package memimage

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// storeProfiles are profiles of builds with different stores.
var storeProfiles = []string{"Win10x64_14393", "Win10x64_14393.5006", "Win10x64_15063", "Win10x64_16299", "Win10x64_17134", "Win10x64_17763",
	"Win10x64_18362", "Win10x64_19041.2846", "Win11x64_22000.318", "Win11x64_22621.382", "Win11x64_26100",
	"Win10x86_15063", "Win10x86_16299", "Win10x86_17763", "Win10x86_19041"}

func storeSystem(t testing.TB, name string) synth.System {
	t.Helper()
	p, err := profile.Builtin().ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return synth.StoreSystem(p)
}

// openBuiltStore opens a memory that was built, with its page file where pageFile is true.
func openBuiltStore(t testing.TB, m *synth.Memory, all, pageFile bool) *Image {
	t.Helper()
	o := Options{AllPages: all}
	if pageFile {
		name := filepath.Join(t.TempDir(), "pagefile.sys")
		if err := os.WriteFile(name, m.PageFile, 0o600); err != nil {
			t.Fatal(err)
		}
		o.PageFiles = []GivenPageFile{{name, -1}}
	}
	return openMemory(t, m, o)
}

// TestBuiltStores reads all stored pages of systems of many builds. Another author laid out the stores.
func TestBuiltStores(t *testing.T) {
	corpus.Long(t)
	for _, name := range storeProfiles {
		t.Run(name, func(t *testing.T) {
			m := buildMemory(t, storeSystem(t, name))
			for level, pageFile := range map[synth.Level]bool{synth.Stores: false, synth.StoresAndPageFiles: true} {
				im := openBuiltStore(t, m, true, pageFile)
				c := im.Kernel.CompressedStore()
				if c == nil || c.Err != nil || c.Assumed || c.Number != m.Truth.Store.Number {
					t.Fatalf("%v", c)
				}
				all := allProcesses(t, im)
				for i := range m.Truth.Processes {
					want := &m.Truth.Processes[i]
					checkBuiltDumps(t, all[uint64(want.EPROCESSPhys)], want, level, false)
				}
				checkBuiltPages(t, all, m, level)
				checkBuiltDriver(t, im, m, level)
			}
		})
	}
}

// checkBuiltPages reads every page of a process in the store. A page that can be read must have the right bytes, and
// any other page is a hole.
func checkBuiltPages(t *testing.T, all map[uint64]*Process, m *synth.Memory, level synth.Level) {
	t.Helper()
	byPID := map[uint64]*Process{}
	for _, p := range all {
		byPID[p.PID] = p
	}
	b := make([]byte, pageSize)
	read := 0
	for i := range m.Truth.Store.Pages {
		want := &m.Truth.Store.Pages[i]
		p := byPID[want.PID]
		if p == nil || want.Kind == synth.StoreLazy && want.PID == 1044 { // a page table
			continue
		}
		_, err := p.Process.Space().ReadVirt(b, paging.Virt(want.VA))
		switch readable := want.Readable(level); {
		case readable && (err != nil || !bytes.Equal(b, want.Content)):
			t.Errorf("process %d, %#x (%v): other bytes, %v", want.PID, want.VA, want.Kind, err)
		case readable:
			read++
		case !sparse.IsHole(err):
			t.Errorf("process %d, %#x (%v): %v, want a hole", want.PID, want.VA, want.Kind, err)
		}
	}
	if read < 50 {
		t.Errorf("only %d pages were read", read)
	}
}

// checkBuiltDriver reads the pages of the driver that the kernel has put into the store.
func checkBuiltDriver(t *testing.T, im *Image, m *synth.Memory, level synth.Level) {
	t.Helper()
	d := m.Truth.Drivers[0]
	b := make([]byte, pageSize)
	read := 0
	for i := range m.Truth.Store.Pages {
		want := &m.Truth.Store.Pages[i]
		if want.PID != 0 || want.VA < d.Base || want.VA >= d.Base+uint64(d.Size) || !want.Readable(level) {
			continue
		}
		if _, err := im.Kernel.Space.ReadVirt(b, paging.Virt(want.VA)); err != nil || !bytes.Equal(b, want.Content) {
			t.Errorf("%s, %#x: other bytes, %v", d.Name, want.VA, err)
		}
		read++
	}
	if read == 0 {
		t.Error("no page of the driver was read")
	}
	drivers, damage := im.Drivers()
	for _, of := range drivers {
		if of.ImageBase() == paging.Virt(d.Base) {
			if counts := of.PageCounts(); counts[FromStore] != read {
				t.Errorf("%s: %v, want %d pages in the store", d.Name, counts, read)
			}
			return
		}
	}
	t.Errorf("%s is not listed: %v", d.Name, damage)
}

// TestStoreThatIsHardToFind removes ways to the store, one by one and all together. The remaining ways lead to it, or
// nothing is read from it, for a reason.
func TestStoreThatIsHardToFind(t *testing.T) {
	corpus.Long(t)
	for name, c := range map[string]struct {
		lacks synth.StoreLacks
		says  string // empty: it is read
	}{
		"no symbols":                 {lacks: synth.StoreLacks{RVAs: true}},
		"no section":                 {lacks: synth.StoreLacks{RVAs: true, Section: true}},
		"no code":                    {lacks: synth.StoreLacks{RVAs: true, Code: true}},
		"no tag of the array":        {lacks: synth.StoreLacks{RVAs: true, ArrayTag: true}},
		"no page files":              {lacks: synth.StoreLacks{RVAs: true, Files: true}},
		"no tag of the page files":   {lacks: synth.StoreLacks{RVAs: true, FileTag: true}},
		"no flag":                    {lacks: synth.StoreLacks{RVAs: true, FileFlag: true}},
		"no owner in the list":       {lacks: synth.StoreLacks{Owner: true}},
		"no page of SmGlobals":       {lacks: synth.StoreLacks{Globals: true}, says: "are not read"},
		"laid out as no build":       {lacks: synth.StoreLacks{Build: true}, says: "are not read"},
		"no symbols and as no build": {lacks: synth.StoreLacks{Build: true, RVAs: true}, says: "are not read"},
	} {
		t.Run(name, func(t *testing.T) {
			sys := storeSystem(t, "Win10x64_19041.2846")
			sys.Store.Lacks = c.lacks
			m := buildMemory(t, sys)
			im := openBuiltStore(t, m, true, false)
			s := im.Kernel.CompressedStore()
			switch {
			case c.says == "" && (s == nil || s.Err != nil):
				t.Fatalf("%v", s)
			case c.says == "":
				checkBuiltPages(t, allProcesses(t, im), m, synth.Stores)
			case s == nil || !strings.Contains(s.String(), c.says):
				t.Errorf("%v, want %q", s, c.says)
			default:
				checkUnread(t, im, m)
			}
		})
	}
}

// TestStoreWithoutMask: where the mask of entries cannot be found, entries that are hidden behind it lead to no page,
// and never to a wrong one.
func TestStoreWithoutMask(t *testing.T) {
	sys := storeSystem(t, "Win10x64_19041.2846")
	sys.Store.Lacks = synth.StoreLacks{Mask: true, Owner: true} // MemCompression alone has entries in transition
	m := buildMemory(t, sys)
	byPID := map[uint64]*Process{}
	for _, p := range allProcesses(t, openBuiltStore(t, m, true, false)) {
		byPID[p.PID] = p
	}
	b := make([]byte, pageSize)
	hidden := 0
	for i := range m.Truth.Store.Pages {
		want := &m.Truth.Store.Pages[i]
		if want.PID != 1036 {
			continue
		}
		_, err := byPID[want.PID].Process.Space().ReadVirt(b, paging.Virt(want.VA))
		switch {
		case err == nil && !bytes.Equal(b, want.Content):
			t.Errorf("%#x (%v): other bytes", want.VA, want.Kind)
		case err != nil && strings.Contains(err.Error(), "InvalidPteMask"):
			hidden++
		}
	}
	if hidden == 0 {
		t.Error("no page is hidden")
	}
}

// checkUnread: from a store that is not known no page is read, and each page's error says why.
func checkUnread(t *testing.T, im *Image, m *synth.Memory) {
	t.Helper()
	for _, p := range allProcesses(t, im) {
		for page := range p.Pages() {
			if page.Source == FromStore {
				t.Errorf("process %d, RVA %#x: from %s", p.PID, page.RVA, page.Source)
			}
			if page.State == "compressed" && !strings.Contains(page.Note, "the store of this build is not known") {
				t.Errorf("process %d, RVA %#x: %s", p.PID, page.RVA, page.Note)
			}
		}
	}
}
