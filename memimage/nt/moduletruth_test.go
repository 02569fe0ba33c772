package nt

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"memlens/memimage/profile"
	"memlens/memimage/synth/corpus"
)

// moduleTruth is the truth about the modules of an image's processes. Addresses are hexadecimal.
type moduleTruth struct {
	Processes []struct {
		PID            uint64
		Name, PEB      string
		OffsetV        string `json:"offset_v"`
		OffsetP        string `json:"offset_p"`
		Modules, Other []truthModule
	}
}

// truthModule is a module, or injected code.
type truthModule struct {
	Base, Path, Entry, Class string
	Size                     int64
	BaseName                 string `json:"base_name"`
	Bits                     int
	Main                     bool
	Lists                    map[string]*int
	Wow64Lists               map[string]*int `json:"wow64_lists"`
	LoadCount                *int            `json:"load_count"`
	LoadTime                 string          `json:"load_time"`
	VAD                      *struct{ Start, End, Type, Protection, Path string }
	ImageSize                int64             `json:"image_size"`
	Pages                    map[string]string // state → page numbers
}

var moduleImages = []string{"WinXPSP2x86", "WinXPSP2x86PAE", "WinXPSP3x86PAE", "WinXPSP3x86PAE-modules", "Win2003SP2x86", "Win7SP1x86PAE", "Win7SP1x64",
	"Win7SP1x64-modules", "Win10x64_18362", "Win10x64_19041", "Win10x64_19041-modules", "Win11x64_22000", "ReactOS0413x86"}

func loadModuleTruth(t testing.TB, name string) *moduleTruth {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(corpus.Dir(t), name+".modules.json"))
	if err != nil {
		t.Fatal(err)
	}
	truth := new(moduleTruth)
	if err := json.Unmarshal(b, truth); err != nil {
		t.Fatal(err)
	}
	return truth
}

// allProcesses are the processes of the list and the processes that a scan finds, by the physical address of their
// structures.
func allProcesses(t testing.TB, k *Kernel) map[string]*Process {
	t.Helper()
	out := map[string]*Process{}
	for p, err := range k.Processes() {
		if err == nil {
			out[fmt.Sprintf("%#x", uint64(p.PA))] = p
		}
	}
	for _, p := range scanned(t, k) {
		out[fmt.Sprintf("%#x", uint64(p.PA))] = p
	}
	return out
}

// kindOf is the kind of each class of the truth.
var kindOf = map[string]ModuleKind{
	"loaded": KindLoaded, "unlinked": KindUnlinked, "unlinked from one list": KindUnlinked, "unlinked from two lists": KindUnlinked,
	"injected": KindInjected, "injected, header wiped": KindHeaderErased, "hollowed": KindHollowed, "mapped as data": KindData,
	"mapped, in no loader list": KindMapped,
}

// TestModulesOfReferenceImages compares the findings with the truth about the images' modules.
func TestModulesOfReferenceImages(t *testing.T) {
	corpus.Long(t)
	for _, name := range moduleImages {
		t.Run(name, func(t *testing.T) {
			k, err := Find(context.Background(), referenceMemory(t, name), Options{Profiles: profile.Builtin()})
			if err != nil {
				t.Fatal(err)
			}
			processes := allProcesses(t, k)
			seen := map[ModuleKind]int{}
			var spent time.Duration
			for _, want := range loadModuleTruth(t, name).Processes {
				p := processes[want.OffsetP]
				if p == nil {
					t.Errorf("process %d %q is not found", want.PID, want.Name)
					continue
				}
				start := time.Now()
				found, errs := p.FindModules()
				spent += time.Since(start)
				c := moduleCheck{t: t, p: p, peb: want.PEB, got: found, reactOS: name == "ReactOS0413x86"}
				for i := range want.Modules {
					c.check(&want.Modules[i])
				}
				for i := range want.Other {
					c.check(&want.Other[i])
				}
				c.rest(want.Modules, want.Other)
				for _, m := range found {
					seen[m.Kind]++
				}
				if want.PEB == "ok" && len(errs) > 0 {
					t.Errorf("process %d %q: %v", want.PID, want.Name, errs)
				}
			}
			t.Logf("%d processes, %v, %v", len(processes), seen, spent)
		})
	}
}

// moduleCheck compares the modules of one process with the truth.
type moduleCheck struct {
	t       *testing.T
	p       *Process
	peb     string
	got     []FoundModule
	reactOS bool // descriptors are its own, and have no truth
}

func (c *moduleCheck) errorf(m *truthModule, format string, args ...any) {
	c.t.Helper()
	c.t.Errorf("process %d %q, %s %s %s: "+format, append([]any{c.p.PID, c.p.RawName, m.Class, m.Base, m.BaseName}, args...)...)
}

func (c *moduleCheck) find(base string) *FoundModule {
	i := slices.IndexFunc(c.got, func(m FoundModule) bool { return fmt.Sprintf("%#x", uint64(m.Base)) == base })
	if i < 0 {
		return nil
	}
	return &c.got[i]
}

// check checks one module.
func (c *moduleCheck) check(want *truthModule) {
	c.t.Helper()
	got := c.find(want.Base)
	kind, isPE := kindOf[want.Class]
	if !isPE {
		if got != nil {
			c.errorf(want, "found as %s: %s", got.Kind, got.Evidence)
		}
		c.vad(want, nil)
		return
	}
	if got == nil {
		c.errorf(want, "not found")
		return
	}
	if c.peb != "ok" && kind == KindLoaded {
		kind = KindMapped
	}
	if got.Kind != kind {
		c.errorf(want, "is %s: %s", got.Kind, got.Evidence)
	}
	if got.Evidence == "" || got.Main != want.Main {
		c.errorf(want, "main %v, evidence %q", got.Main, got.Evidence)
	}
	c.entries(want, got)
	c.size(want, got)
	c.vad(want, got)
	if want.Bits != 0 && got.Bits != 0 && got.Bits != want.Bits {
		c.errorf(want, "%d bits, want %d", got.Bits, want.Bits)
	}
}

// size checks the size; for mapped modules it is the mapping's.
func (c *moduleCheck) size(want *truthModule, got *FoundModule) {
	size := cmp.Or(want.ImageSize, want.Size)
	if c.reactOS { // it notes sizes that are no multiple of a page
		size = want.Size
	}
	if want.Class == "hollowed" || got.VAD.Image && want.Size != int64(got.VAD.End-got.VAD.Start) {
		return
	}
	if got.Size != size {
		c.errorf(want, "%#x bytes, want %#x", got.Size, size)
	}
}

// entries checks the module's entries in the lists.
func (c *moduleCheck) entries(want *truthModule, got *FoundModule) {
	if c.peb != "ok" {
		return
	}
	c.places(want, got.Entry, want.Lists)
	c.places(want, got.Entry32, want.Wow64Lists)
	e := got.Listed()
	if e == nil {
		return
	}
	if int64(e.Size) != want.Size || e.Path != want.Path || e.Name != want.BaseName || fmt.Sprintf("%#x", uint64(e.EntryPoint)) != want.Entry {
		c.errorf(want, "entry %+v, want %+v", e, want)
	}
	if want.LoadCount != nil && e.LoadCount != *want.LoadCount {
		c.errorf(want, "load count %d, want %d", e.LoadCount, *want.LoadCount)
	}
	if want.LoadTime != "" && e.Loaded.Format("2006-01-02 15:04:05") != want.LoadTime || want.LoadTime == "" && want.LoadCount != nil && !e.Loaded.IsZero() {
		c.errorf(want, "load time %v, want %s", e.Loaded, want.LoadTime)
	}
}

func (c *moduleCheck) places(want *truthModule, e *LoaderEntry, lists map[string]*int) {
	for o, name := range []string{"load", "mem", "init"} {
		place, expected := NoPlace, NoPlace
		if e != nil {
			place = e.Places[o]
		}
		if at := lists[name]; at != nil {
			expected = *at
		}
		if place != expected {
			c.errorf(want, "place %d in %s, want %d", place, LoaderOrder(o), expected)
		}
	}
}

// vad checks the descriptor.
func (c *moduleCheck) vad(want *truthModule, got *FoundModule) {
	if want.VAD == nil {
		return
	}
	var base uint64
	fmt.Sscanf(want.Base, "0x%x", &base)
	regions, _ := c.p.Regions()
	for _, r := range regions {
		if uint64(r.Start) > base || uint64(r.End) <= base {
			continue
		}
		v := want.VAD
		if fmt.Sprintf("%#x", uint64(r.Start)) != v.Start || fmt.Sprintf("%#x", uint64(r.End-1)) != v.End || r.Type() != v.Type ||
			r.Protection.String() != v.Protection || r.Path != strings.TrimPrefix(v.Path, "C:") {
			c.errorf(want, "region %+v %s %s, want %+v", r, r.Type(), r.Protection, v)
		}
		if got != nil && (!got.HasVAD || got.VAD.VA != r.VA || got.Path != r.Path) {
			c.errorf(want, "descriptor %+v, want %+v", got.VAD, r)
		}
		return
	}
	c.errorf(want, "no region")
}

// rest checks that nothing else was found.
func (c *moduleCheck) rest(known ...[]truthModule) {
	all := map[string]bool{}
	for _, m := range slices.Concat(known...) {
		all[m.Base] = true
	}
	for _, m := range c.got {
		if !all[fmt.Sprintf("%#x", uint64(m.Base))] {
			c.t.Errorf("process %d %q: %s at %#x is not in the truth: %s", c.p.PID, c.p.RawName, m.Kind, uint64(m.Base), m.Evidence)
		}
	}
	if !slices.IsSortedFunc(c.got, func(a, b FoundModule) int { return cmp.Compare(a.Base, b.Base) }) {
		c.t.Error("modules are not in the order of addresses")
	}
}
