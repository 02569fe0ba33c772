package memimage

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// TestUserMemory compares the walk of processes' memory, a table at a time, with a plain walk from the root for each
// page, on a system of each kind.
func TestUserMemory(t *testing.T) {
	corpus.Long(t)
	seen := map[string]bool{}
	for p := range profile.Builtin().All() {
		kind := fmt.Sprint(p.Arch(), p.Version().Build/1000)
		if seen[kind] {
			continue
		}
		seen[kind] = true
		checkUserMemory(t, p.Name(), openMemory(t, buildMemory(t, builtSystem(p)), Options{}))
	}
	for name, sys := range dumpedSystems(t) {
		checkUserMemory(t, name, openMemory(t, buildMemory(t, sys), Options{}))
	}
}

// TestUserMemoryOfSharedImages does the same on images that others have made.
func TestUserMemoryOfSharedImages(t *testing.T) {
	corpus.Long(t)
	names, _ := filepath.Glob(filepath.Join(corpus.Dir(t), "*.raw.xz"))
	for _, path := range names {
		name := strings.TrimSuffix(filepath.Base(path), ".xz")
		im, err := Open(t.Context(), corpus.Unpack(t, name), Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		checkUserMemory(t, name, im)
		im.Close()
	}
}

func checkUserMemory(t *testing.T, name string, im *Image) {
	t.Helper()
	list, _ := im.Processes()
	for _, p := range list {
		if p.CheckMinidump() != nil {
			continue
		}
		space := p.Process.Space()
		regions, _ := p.Regions()
		for _, r := range regions {
			checkRuns(t, name, p, space, r.Start, r.End)
		}
		checkRuns(t, name, p, space.Undescribed(), 0, min(paging.Virt(space.Mode().UserSpace()), space.Mode().System))
	}
}

// mostProbes is how many probes of a stretch of addresses are compared: some descriptors are of terabytes.
const mostProbes = 1 << 14

func checkRuns(t *testing.T, name string, p *Process, space *paging.Space, from, to paging.Virt) {
	t.Helper()
	if from >= to {
		return
	}
	window := space.Window(from, int64(to-from))
	probes := 0
	for run, err := range space.Cursor().Runs(from, to) {
		if err != nil {
			t.Fatalf("%s, process %d: %v", name, p.PID, err)
		}
		for off := int64(0); off < run.Len; off += run.Step {
			if probes++; probes > mostProbes {
				return
			}
			n, err := window.Probe(int64(run.VA-from) + off)
			if want := min(run.Step, run.Len-off); max(n, 1) != want || !alike(run.Err, err) {
				t.Fatalf("%s, process %d: at %#x of the run from %#x there are %#x bytes, %v; probing says %#x, %v", name, p.PID, uint64(run.VA)+uint64(off), uint64(run.VA), want, run.Err, n, err)
			}
		}
	}
}

// alike reports whether the errors of two pages are the same.
func alike(a, b error) bool {
	x, _ := errors.AsType[*paging.FaultError](a)
	y, _ := errors.AsType[*paging.FaultError](b)
	if x == nil || y == nil {
		return fmt.Sprint(sparse.Cause(a)) == fmt.Sprint(sparse.Cause(b)) && (a == nil) == (b == nil) && (x == nil) == (y == nil)
	}
	return x.State == y.State && x.Via == y.Via && x.Entry == y.Entry && x.File == y.File && x.Off == y.Off
}
