package restore_test

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"memlens/memimage/restore"
	"memlens/memimage/synth/corpus"
)

// trial is a file in memory, looked at in one way.
type trial struct {
	file string
	kind string
	boot *boot
	view *view
}

func (t trial) String() string { return fmt.Sprintf("%s | %s | %s", t.file, t.boot.name, t.view.name) }

// fault is a violation of the rules.
type fault struct {
	trial
	text string
}

// report gathers the verdicts of many trials.
type report struct {
	t      *testing.T
	byView map[string]*tally
	byBoot map[string]*tally
	byFile map[string]*tally
	byKind map[string]*tally
	all    tally
	// of all: views in which malware changed something, and the others
	honest, tampered tally
	faults           map[string][]fault // by kind
	skipped          int
}

func newReport(t *testing.T) *report {
	return &report{t: t, byView: map[string]*tally{}, byBoot: map[string]*tally{}, byFile: map[string]*tally{}, byKind: map[string]*tally{}, faults: map[string][]fault{}}
}

func (r *report) add(t *trial, v *verdict) {
	for _, g := range []struct {
		m   map[string]*tally
		key string
	}{{r.byView, t.view.name}, {r.byBoot, t.boot.name}, {r.byFile, t.file}, {r.byKind, t.kind}} {
		if g.m[g.key] == nil {
			g.m[g.key] = &tally{}
		}
		g.m[g.key].add(&v.tally)
	}
	r.all.add(&v.tally)
	if t.view.tamper == nil {
		r.honest.add(&v.tally)
	} else {
		r.tampered.add(&v.tally)
	}
	for _, f := range v.faults {
		r.faults[kindOf(f)] = append(r.faults[kindOf(f)], fault{*t, f})
	}
}

// seed is the same for a file and a boot on every run.
func seed(s ...string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(strings.Join(s, "|")))
	return rand.New(rand.NewPCG(h.Sum64(), 1))
}

// try maps a file in every way and judges the results.
func (r *report) try(name string, raw []byte, boots []boot, views []view) {
	f, err := parsePE(name, raw)
	if err != nil {
		r.skipped++
		return
	}
	for i := range boots {
		b := &boots[i]
		for k := range views {
			v := &views[k]
			rng := seed(name, b.name)
			m := b.start(f, rng)
			if m == nil {
				break
			}
			if v.tamper != nil {
				v.tamper(m, rng)
			}
			r.add(&trial{name, f.kind(), b, v}, judge(m, v))
		}
	}
}

// finish prints the figures and fails for violations of the rules.
func (r *report) finish() {
	r.t.Helper()
	var s strings.Builder
	for _, g := range []struct {
		title string
		m     map[string]*tally
	}{{"what is there", r.byView}, {"how it got there", r.byBoot}, {"kind", r.byKind}, {"file", r.byFile}} {
		if len(g.m) > 100 {
			continue
		}
		fmt.Fprintf(&s, "\nby %s\n%s", g.title, tallyHead)
		for _, k := range slices.Sorted(maps.Keys(g.m)) {
			s.WriteString(g.m[k].row(k))
		}
	}
	a := &r.all
	fmt.Fprintf(&s, "\n%s%s%s%s", tallyHead, r.honest.row("nothing tampered with"), r.tampered.row("tampered with"), a.row("all"))
	fmt.Fprintf(&s, "wrong bytes called exact: %d; wrong bases called proved: %d; no header to go by: %d of %d\n", a.exactWrong, a.baseExactWrong, a.refused, a.cases)
	if r.skipped > 0 {
		fmt.Fprintf(&s, "%d files are none that Windows would map\n", r.skipped)
	}
	r.t.Log(s.String())
	r.complain()
}

// complain fails the test with the faults of each kind: how many there are, and an example for each view.
func (r *report) complain() {
	r.t.Helper()
	for _, kind := range slices.Sorted(maps.Keys(r.faults)) {
		list := r.faults[kind]
		var s strings.Builder
		seen := map[string]bool{}
		for i := range list {
			if f := &list[i]; !seen[f.view.name] {
				seen[f.view.name] = true
				fmt.Fprintf(&s, "  %s\n    %s\n", f.trial.String(), f.text)
			}
		}
		r.t.Errorf("%s: %d times\n  views: %s\n  boots: %s\n  files: %s\n%s", kind, len(list), counts(list, func(f *fault) string { return f.view.name }),
			counts(list, func(f *fault) string { return f.boot.name }), counts(list, func(f *fault) string { return f.file }), s.String())
	}
}

// counts returns how many faults have each value.
func counts(list []fault, of func(*fault) string) string {
	n := map[string]int{}
	for i := range list {
		n[of(&list[i])]++
	}
	var out []string
	for _, k := range slices.Sorted(maps.Keys(n)) {
		if out = append(out, fmt.Sprintf("%s %d", k, n[k])); len(out) == 60 {
			return strings.Join(out, ", ") + " …"
		}
	}
	return strings.Join(out, ", ")
}

// only keeps the files with MEMLENS_MAPPER_FILE in their name, for a closer look at one.
func only(files map[string][]byte) map[string][]byte {
	want := os.Getenv("MEMLENS_MAPPER_FILE")
	maps.DeleteFunc(files, func(name string, _ []byte) bool { return !strings.Contains(name, want) })
	return files
}

// fewBoots and fewViews are for files that are many, or big.
func fewBoots() []boot {
	return slices.DeleteFunc(slices.Clone(boots), func(b boot) bool { return b.name == "aslr near" || b.name == "conflict" })
}

func fewViews() []view {
	names := []string{"all pages", "as one process sees it", "section trimmed where written", "70% of section", "half of file cache",
		"half of file cache but the header", "file's header page", "hook in code",
		"lying relocations"}
	return slices.DeleteFunc(slices.Clone(views), func(v view) bool { return !slices.Contains(names, v.name) })
}

func (r *report) tryAll(files map[string][]byte) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if len(files[name]) > 1<<17 {
			r.try(name, files[name], fewBoots(), fewViews())
			continue
		}
		r.try(name, files[name], boots, views)
	}
}

// TestMapperCrafted lays out crafted files and restores them.
func TestMapperCrafted(t *testing.T) {
	corpus.Long(t)
	r := newReport(t)
	r.tryAll(only(craftedFiles()))
	r.finish()
}

// TestMapperBuilt lays out programs as compilers make them and restores them: bytes called exact and proved bases
// must be right.
func TestMapperBuilt(t *testing.T) {
	if testing.Short() {
		t.Skip("builds many programs")
	}
	requireTools(t)
	r := newReport(t)
	r.tryAll(only(newBuilder(t).built()))
	r.finish()
}

// TestMapperDiskError has the disk fail under one page at a time. That must be an error, of Restore or of reading the
// page, and neither zeros nor a hole. No row that says "exact" may have other bytes for it.
func TestMapperDiskError(t *testing.T) {
	files, faults := craftedFiles(), []string(nil)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		raw := files[name]
		f, err := parsePE(name, raw)
		if err != nil || len(raw) > 1<<17 {
			continue
		}
		for i := range boots {
			for at := int64(0); at < int64(f.sizeOfImage); at += page {
				m := boots[i].start(f, seed(name))
				if m == nil || !m.has[at/page] || m.demand[at/page] {
					continue
				}
				v := &view{name: "disk error", section: every, broken: func(_ *image, rva int64) bool { return rva == at }}
				for _, fault := range diskFaults(m, v, at) {
					faults = append(faults, fmt.Sprintf("%s | %s | disk error under the page at RVA %#x: %s", name, boots[i].name, at, fault))
				}
			}
		}
	}
	for i := 0; i < len(faults); i += 1 + len(faults)/20 {
		t.Errorf("one of %d: %s", len(faults), faults[i])
	}
}

// diskFaults returns the faults of a restoration with a page at the RVA that cannot be read.
func diskFaults(m *image, v *view, at int64) (faults []string) {
	r, err := restore.Restore(v.input(m))
	if err != nil {
		if !errors.Is(err, errDisk) {
			faults = append(faults, fmt.Sprintf("Restore says: %v", err))
		}
		return faults
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		b := make([]byte, row.Length)
		n, err := r.Reader.ReadAt(b, row.FileOffset)
		wrong, _ := differ(b, m.raw[min(row.FileOffset, int64(len(m.raw))):min(row.FileOffset+row.Length, int64(len(m.raw)))])
		switch inPage := row.RVA >= at && row.RVA < at+page; {
		case inPage && !errors.Is(err, errDisk):
			faults = append(faults, fmt.Sprintf("read %d bytes, %v, of %s", n, err, describe(row)))
		case !inPage && row.Exact() && n == len(b) && wrong > 0:
			faults = append(faults, fmt.Sprintf("called exact: %d bytes wrong of %s", wrong, describe(row)))
		}
	}
	return faults
}

// TestMapperFolder does the same with all PE files in the folder that MEMLENS_PE_FILES names.
func TestMapperFolder(t *testing.T) {
	dir := os.Getenv("MEMLENS_PE_FILES")
	if dir == "" {
		t.Skip("MEMLENS_PE_FILES names no folder of PE files")
	}
	r := newReport(t)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil || len(raw) < 512 || len(raw) > 16<<20 || string(raw[:2]) != "MZ" {
			return err
		}
		r.try(strings.TrimPrefix(path, dir), raw, fewBoots(), fewViews())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.finish()
}
