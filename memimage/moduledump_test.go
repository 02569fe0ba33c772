package memimage

import (
	"testing"

	"memlens/memimage/paging"

	"memlens/memimage/synth/corpus"
)

// dumpLevels are the levels of page sources at which dumps are known, the options for each level, and the images. For
// ReactOS, the last image, only Volatility's dumps are known.
var dumpLevels = []struct {
	name    string
	options Options
	images  []string
}{
	{"volatility2", Options{}, corpus.ModuleImages},
	{"vad", Options{AllPages: true}, corpus.ModuleImages[:len(corpus.ModuleImages)-1]},
}

// TestModuleDumpsAreVolatilitys compares both dumps of every module of every process with Volatility 2's dumps, and
// with the dumps that all page sources give.
func TestModuleDumpsAreVolatilitys(t *testing.T) {
	corpus.Long(t)
	for _, level := range dumpLevels {
		for _, name := range level.images {
			t.Run(level.name+"/"+name, func(t *testing.T) {
				truth := corpus.LoadModules(t, name)
				all := allProcesses(t, openReference(t, name, level.options))
				c := dumpCheck{t: t, level: level.name}
				for _, want := range truth.Processes {
					p := all[hexNumber(t, want.OffsetP)]
					if p == nil {
						t.Errorf("process %d %q at %s is missing", want.PID, want.Name, want.OffsetP)
						continue
					}
					found, _ := p.Modules()
					c.modules(want.Name, want.Modules, found)
					c.modules(want.Name, want.Other, found)
				}
				if t.Logf("%d dumps are right, %d there are none of", c.right, c.none); c.right == 0 {
					t.Error("no dump was compared")
				}
			})
		}
	}
}

// dumpCheck compares dumps with the dumps of the truth.
type dumpCheck struct {
	t           *testing.T
	level       string
	right, none int
}

// modules checks the modules of one process. Code that has no header, and is no module, has no dump either.
func (c *dumpCheck) modules(process string, want []corpus.Module, found []*FoundModule) {
	c.t.Helper()
	byBase := map[paging.Virt]*Module{}
	for _, f := range found {
		byBase[f.Found.Base] = f.Module
	}
	for _, w := range want {
		dumps, known := wantedDumps(w.Dumps, w.Volatility, c.level, "dlldump")
		m := byBase[paging.Virt(hexNumber(c.t, w.Base))]
		if m != nil && known {
			c.both(process+": "+w.Name+" at "+w.Base+", "+w.Class, m, dumps)
		} else if known && dumps.Status == "ok" {
			c.t.Errorf("%s: %s at %s, %s: not found", process, w.Name, w.Base, w.Class)
		}
	}
}

// both checks the dumps of one module, or driver.
func (c *dumpCheck) both(what string, m *Module, want corpus.Dumps) {
	c.t.Helper()
	exe, err := m.FileDump()
	c.one(what+", in file layout", exe, err, want.Exe)
	mem, err := m.MemoryDump()
	c.one(what+", in memory layout", mem, err, want.Mem)
}

// one checks one dump. A huge dump is of a process's own executable; TestDumpsAreVolatilitys makes its digest.
func (c *dumpCheck) one(what string, e *Executable, err error, want *corpus.Digest) {
	c.t.Helper()
	if err == nil && want != nil && want.Error == "" && want.Size >= longDump && e.Reader.Size() == want.Size {
		return
	}
	if checkDump(c.t, what, e, err, want); err == nil {
		c.right++
	} else {
		c.none++
	}
}

// wantedDumps returns the dumps at a level; false where they are not known. ReactOS has only Volatility's own dumps.
func wantedDumps(dumps map[string]corpus.Dumps, written map[string]corpus.DriverResult, level, plugin string) (corpus.Dumps, bool) {
	if dumps != nil {
		want, ok := dumps[level]
		return want, ok
	}
	exe, ok := written["2.6.1 "+plugin] // ReactOS
	mem := written["2.6.1 "+plugin+" --memory"]
	return corpus.Dumps{Status: exe.Result, Exe: &exe.Digest, Mem: &mem.Digest}, ok && level == "volatility2"
}

// TestVolatilityWroteTheTruth compares Volatility's dumps of modules and drivers with the dumps of the truth. A dump
// that Volatility has written in full is the dump of its level. Where it wrote no dump, or a part, the truth has none.
func TestVolatilityWroteTheTruth(t *testing.T) {
	for _, name := range corpus.ModuleImages {
		for _, p := range corpus.LoadModules(t, name).Processes {
			for _, m := range append(p.Modules, p.Other...) {
				checkWritten(t, name+": "+p.Name+": "+m.Name, m.Dumps, m.Volatility, "dlldump")
			}
		}
		for _, d := range corpus.LoadDrivers(t, name).Drivers {
			checkWritten(t, name+": "+d.Name, d.Dumps, d.Volatility, "moddump")
		}
	}
}

func checkWritten(t *testing.T, what string, dumps map[string]corpus.Dumps, written map[string]corpus.DriverResult, plugin string) {
	t.Helper()
	level, ok := dumps["volatility2"]
	if !ok {
		return
	}
	for tool, want := range map[string]*corpus.Digest{"2.3.1 " + plugin: level.Exe, "2.6.1 " + plugin: level.Exe, "2.6.1 " + plugin + " --memory": level.Mem} {
		r, run := written[tool]
		if !run || r.Result == "not shown" {
			continue
		}
		whole := want != nil && want.Error == "" && want.SHA256 != ""
		if whole != (r.Result == "ok") || whole && r.SHA256 != want.SHA256 {
			t.Errorf("%s: %s: %s %s, want %+v", what, tool, r.Result, r.SHA256, want)
		}
	}
}
