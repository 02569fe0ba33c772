package fs

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"fmt"
	iofs "io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"memlens/memimage"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// csvRows reads a table of the tree: a map from column to cell for each row.
func csvRows(t testing.TB, f *FS, name string) []map[string]string {
	t.Helper()
	all, err := csv.NewReader(strings.NewReader(read(t, f, name))).ReadAll()
	if err != nil || len(all) == 0 {
		t.Fatalf("%s: %v", name, err)
	}
	var out []map[string]string
	for _, cells := range all[1:] {
		row := map[string]string{}
		for i, cell := range cells {
			row[all[0][i]] = strings.TrimRight(cell, " ")
		}
		out = append(out, row)
	}
	return out
}

// checkImageRows compares the rows of a table of images with the directories of the images: there is one row for each,
// and its digests, counts of pages and verdict equal the ones in the directory's files.
func checkImageRows(t *testing.T, f *FS, table, dir, dump string) []map[string]string {
	t.Helper()
	rows := csvRows(t, f, table)
	entries, err := iofs.ReadDir(f, dir)
	if err != nil || len(entries) != len(rows) {
		t.Fatalf("%s has %d directories, %s %d rows: %v", dir, len(entries), table, len(rows), err)
	}
	for _, row := range rows {
		at := path.Join(dir, row["directory"])
		if row["not_recovered"] == "" {
			data := read(t, f, path.Join(at, dump))
			if got := fmt.Sprintf("%x", md5.Sum([]byte(data))); got != row["md5"] {
				t.Errorf("%s: MD5 %s in the table, %s of the file", at, row["md5"], got)
			}
			if got := fmt.Sprintf("%x", sha256.Sum256([]byte(data))); got != row["sha256"] {
				t.Errorf("%s: SHA-256 %s in the table, %s of the file", at, row["sha256"], got)
			}
		} else if _, err := f.Stat(path.Join(at, dump)); err == nil {
			t.Errorf("%s has a dump, and the table says %q", at, row["not_recovered"])
		}
		pages := 0
		if _, err := f.Stat(path.Join(at, "pages.csv")); err == nil {
			pages = len(csvRows(t, f, path.Join(at, "pages.csv")))
		}
		if fmt.Sprint(pages) != row["pages_total"] {
			t.Errorf("%s: %s pages in the table, %d in pages.csv", at, row["pages_total"], pages)
		}
		if _, err := f.Stat(path.Join(at, "modified.csv")); err == nil {
			changes := csvRows(t, f, path.Join(at, "modified.csv"))
			if got := changes[len(changes)-1]["note"]; got != "verdict: "+row["verdict"] {
				t.Errorf("%s: the table says %q, modified.csv %q", at, row["verdict"], got)
			}
		}
		var info struct{ Kind, Base string }
		if err := json.Unmarshal([]byte(read(t, f, path.Join(at, "info.json"))), &info); err != nil || info.Kind != row["kind"] || info.Base != row["base"] {
			t.Errorf("%s: info.json says %+v, the table %s at %s: %v", at, info, row["kind"], row["base"], err)
		}
	}
	return rows
}

// TestTablesOfImages compares the tables of the demo's modules and drivers with the files.
func TestTablesOfImages(t *testing.T) {
	f, _ := demo(t)
	entries, err := iofs.ReadDir(f, ".")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		if _, err := f.Stat(path.Join(e.Name(), "modules.csv")); err == nil {
			n += len(checkImageRows(t, f, path.Join(e.Name(), "modules.csv"), path.Join(e.Name(), "modules"), "dlldump.dll"))
		}
	}
	if n == 0 {
		t.Error("the demo has no modules")
	}
}

// oddModules are the modules of the images with odd ones that are not simply loaded and equal to their files: process,
// module and kind, and how the verdict begins.
var oddModules = []struct{ process, module, kind, verdict string }{
	{"unlinked.exe", "hidden.dll", "unlinked", "equal to its file"},
	{"halflink.exe", "hidden.dll", "unlinked", "equal to its file"},
	{"halflink.exe", "helper.dll", "unlinked", "equal to its file"},
	{"inject.exe", "injected", "injected", "no file behind it"},
	{"wiped.exe", "header erased", "header erased", "no file behind it"},
	{"hollow.exe", "svchost.exe", "hollowed", "not the file that it claims to be"},
	{"mapdata.exe", "notepad.exe", "mapped as data", "not compared"},
	{"wowinj.exe", "injected", "injected", "no file behind it"},
	{"System", "ntdll.dll", "mapped", "equal to its file"},
}

// TestOddModules looks at images that have unlinked, injected and hollowed modules: each is reported, with a verdict,
// and no other module is reported as different from its file.
func TestOddModules(t *testing.T) {
	corpus.Long(t)
	for _, name := range []string{"WinXPSP3x86PAE-modules", "Win7SP1x64-modules", "Win10x64_19041-modules"} {
		t.Run(name, func(t *testing.T) {
			f := referenceTree(t, name)
			want := map[string]bool{}
			for _, odd := range oddModules {
				want[odd.process+" "+odd.module+" "+odd.kind+" "+odd.verdict] = true
			}
			for _, p := range csvRows(t, f, "processes.csv") {
				dir := p["directory"]
				if _, err := f.Stat(path.Join(dir, "modules.csv")); err != nil {
					continue
				}
				for _, row := range checkImageRows(t, f, path.Join(dir, "modules.csv"), path.Join(dir, "modules"), "dlldump.dll") {
					checkOddModule(t, want, p["name"], row)
				}
			}
			for left := range want {
				if !strings.HasPrefix(left, "wowinj.exe") || name != "WinXPSP3x86PAE-modules" {
					t.Errorf("not found: %s", left)
				}
			}
			checkImageRows(t, f, "drivers.csv", "drivers", "moddump.sys")
			checkImageRows(t, f, "scanned/drivers.csv", "scanned/drivers", "moddump.sys")
			if rows := csvRows(t, f, "scanned/drivers.csv"); len(rows) != 1 || rows[0]["name"] != "rootkit.sys" || rows[0]["kind"] != "unlinked" {
				t.Errorf("hidden drivers: %v", rows)
			}
		})
	}
}

// checkOddModule removes a module that is in want from it, and checks that any other is loaded and equal to its file.
func checkOddModule(t *testing.T, want map[string]bool, process string, row map[string]string) {
	t.Helper()
	_, module, _ := strings.Cut(row["directory"], "-")
	for _, odd := range oddModules {
		if odd.process == process && odd.module == module && odd.kind == row["kind"] && strings.HasPrefix(row["verdict"], odd.verdict) {
			delete(want, process+" "+module+" "+odd.kind+" "+odd.verdict)
			return
		}
	}
	equal := strings.HasPrefix(row["verdict"], "equal to its file") || strings.HasPrefix(row["verdict"], "not known")
	if row["kind"] != "loaded" || !equal {
		t.Errorf("%s: %s is %s, %q", process, row["directory"], row["kind"], row["verdict"])
	}
}

// referenceTree is the tree of a reference image.
func referenceTree(t testing.TB, name string) *FS {
	t.Helper()
	im, err := memimage.Open(t.Context(), corpus.Unpack(t, name+".raw"), memimage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { im.Close() })
	return New(im, Options{})
}

// TestRegionsThatOverlap has descriptors over each other: all that is listed opens, each once.
func TestRegionsThatOverlap(t *testing.T) {
	system := synth.Demo()
	system.RAM = 16 << 20
	p := &system.Processes[slices.IndexFunc(system.Processes, func(p synth.Process) bool { return p.PID == 2284 })]
	const va = 0x2000_0000
	for _, r := range []struct{ va, size uint64 }{{va, 0x3000}, {va, 0x5000}, {va, 0x3000}, {va + 0x1000, 0x1000}, {va + 0x1000, 0x8000}} {
		p.Regions = append(p.Regions, synth.Region{VA: r.va, Size: r.size, Protect: synth.ExecuteReadWrite})
	}
	mem, err := synth.Build(system)
	if err != nil {
		t.Fatal(err)
	}
	f := tree(t, mem, Options{})
	n := 0
	err = iofs.WalkDir(f, fmt.Sprintf("%d-%s/regions", p.PID, p.Name), func(name string, d iofs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		from, to := uint64(0), uint64(0)
		fmt.Sscanf(path.Base(name), "%x-%x.bin", &from, &to)
		info, err := d.Info()
		if err != nil || info.Size() != int64(to-from)+1 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
		return nil
	})
	if err != nil || n != 4 {
		t.Errorf("%d regions, %v", n, err)
	}
}

// TestRegionsAreTheTruths reads regions of injected code, whose digests are known.
func TestRegionsAreTheTruths(t *testing.T) {
	for _, name := range []string{"WinXPSP3x86PAE-modules", "Win7SP1x64-modules", "Win10x64_19041-modules"} {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join(corpus.Dir(t), name+".modules.json"))
			if err != nil {
				t.Fatal(err)
			}
			var truth struct {
				Processes []struct {
					PID   int
					Name  string
					Other []struct {
						Class  string
						VAD    *struct{ Start, End, Type string }
						Region map[string]struct{ SHA256 string }
					}
				}
			}
			if err := json.Unmarshal(b, &truth); err != nil {
				t.Fatal(err)
			}
			f, n := referenceTree(t, name), 0
			for _, p := range truth.Processes {
				for _, o := range p.Other {
					if o.VAD == nil || o.Region["vad"].SHA256 == "" {
						continue
					}
					dir := fmt.Sprintf("%d-%s/regions", p.PID, p.Name)
					file := fmt.Sprintf("%08s-%08s.bin", strings.TrimPrefix(o.VAD.Start, "0x"), strings.TrimPrefix(o.VAD.End, "0x"))
					if got := fmt.Sprintf("%x", sha256.Sum256([]byte(read(t, f, path.Join(dir, file))))); got != o.Region["vad"].SHA256 {
						t.Errorf("%s of %s: %s, want %s", file, p.Name, got, o.Region["vad"].SHA256)
					}
					n++
					entries, err := iofs.ReadDir(f, dir)
					if err != nil || o.VAD.Type == "private" && !hasEntry(entries, file) {
						t.Errorf("%s does not list %s (%s): %v", dir, file, o.Class, err)
					}
				}
			}
			if n < 3 {
				t.Errorf("only %d regions were compared", n)
			}
		})
	}
}

func hasEntry(entries []iofs.DirEntry, name string) bool {
	for _, e := range entries {
		if e.Name() == name {
			return true
		}
	}
	return false
}
