package fs

import (
	"context"
	"encoding/csv"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"memlens/memimage/reference"
	"memlens/memimage/synth"
)

// baseline writes a demo system to a file, as another memory image to compare with.
func baseline(t *testing.T, change func(p *synth.Process)) string {
	t.Helper()
	mem := changedDemo(t, change)
	name := filepath.Join(t.TempDir(), "baseline.raw")
	if err := mem.WriteFile(name); err != nil {
		t.Fatal(err)
	}
	return name
}

// changedDemo is the memory of the demo, with each process as change leaves it.
func changedDemo(t *testing.T, change func(p *synth.Process)) *synth.Memory {
	t.Helper()
	system := synth.Demo()
	system.RAM = 16 << 20
	for i := range system.Processes {
		change(&system.Processes[i])
	}
	mem, err := synth.Build(system)
	if err != nil {
		t.Fatal(err)
	}
	return mem
}

// against is the tree of the demo with references.
func against(t *testing.T, change func(p *synth.Process), paths ...string) *FS {
	t.Helper()
	refs, err := reference.Open(context.Background(), paths, reference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { refs.Close() })
	return tree(t, changedDemo(t, change), Options{References: refs})
}

func asItIs(*synth.Process) {}

// TestMemoryAsReference compares a system with another image of it, in which pages are missing that are here, and one byte
// of a program is another one.
func TestMemoryAsReference(t *testing.T) {
	at := 0
	f := against(t, func(p *synth.Process) {
		if p.Name == "notepad.exe" {
			p.Pages = nil // all of it is in memory
		}
	}, baseline(t, func(p *synth.Process) {
		if p.PID == 3256 {
			p.Image.File = slices.Clone(p.Image.File)
			at = 0x400 + 0x123
			p.Image.File[at] ^= 0x40
		}
	}))
	changed := numbers(t, f, "3256-cmd.exe/diff-vs-restored/cmd.exe.json")
	if b := changed.Bytes; b.Changed != 1 || b.Equal != b.Total-1 || changed.Reference.Match != "same path" || changed.DigestReached {
		t.Errorf("one byte at %#x was changed: %+v", at, changed)
	}
	if want := "baseline.raw: "; !strings.HasPrefix(changed.Reference.Path, want) || !strings.Contains(changed.Reference.Path, `\cmd.exe`) {
		t.Errorf("the reference is called %q", changed.Reference.Path)
	}
	holed := numbers(t, f, "2284-notepad.exe/diff-vs-restored/notepad.exe.json")
	original := synth.DemoOriginals()["notepad.exe"]
	b := holed.Bytes
	if b.NotThere == 0 || b.NotThere != holed.Reference.Missing || b.Changed != 0 || b.Equal+b.NotThere != int64(len(original)) || holed.Similarity.Exact || holed.DigestReached {
		t.Errorf("of the reference pages are missing: %+v", holed)
	}
	if got := read(t, f, "2284-notepad.exe/restored.exe"); got != string(original) {
		t.Error("notepad.exe is not all there: the test tests nothing")
	}
	names := entriesOf(t, f, "2284-notepad.exe/diff-vs-restored")
	if slices.Contains(names, "notepad.exe.bmp") || !slices.Contains(names, "notepad.exe.png") {
		t.Errorf("the classic picture cannot show what is missing in a reference: %v", names)
	}
	if _, err := f.Open("2284-notepad.exe/diff-vs-restored/notepad.exe.bmp"); err == nil {
		t.Error("it opens all the same")
	}
}

// TestMemoryAsItsOwnReference compares an image with itself: nothing is changed.
func TestMemoryAsItsOwnReference(t *testing.T) {
	f := against(t, asItIs, baseline(t, asItIs))
	for _, table := range []string{"3256-cmd.exe/compared.csv", "664-lsass.exe/compared.csv", "1724-explorer.exe/compared.csv", "drivers-compared.csv"} {
		for _, row := range comparedRows(t, f, table) {
			if strings.HasPrefix(row["result"], "not compared") && row["path"] == `\WINDOWS\system32\hal.dll` {
				continue // its header is not in memory
			}
			if row["otherwise_changed"] > "0" || row["beyond_the_end"] > "0" || row["match"] != "same path" {
				t.Errorf("%s: %v", table, row)
			}
		}
	}
}

// entriesOf lists a directory.
func entriesOf(t *testing.T, f *FS, dir string) (names []string) {
	t.Helper()
	entries, err := f.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// comparedRows reads a table of comparisons.
func comparedRows(t *testing.T, f *FS, name string) (out []map[string]string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(read(t, f, name))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		of := map[string]string{}
		for i, cell := range row {
			of[rows[0][i]] = strings.TrimRight(cell, " ")
		}
		out = append(out, of)
	}
	if len(out) == 0 {
		t.Errorf("%s has no rows", name)
	}
	return out
}

// TestComparedWithAFolder compares each module with the file of its name, and finds the hook in one module.
func TestComparedWithAFolder(t *testing.T) {
	f := against(t, asItIs, folder(t, synth.DemoOriginals()))
	results := map[string]string{}
	for _, row := range comparedRows(t, f, "1724-explorer.exe/compared.csv") {
		results[row["directory"]] = row["result"]
		if row["otherwise_changed"] != "0" {
			t.Errorf("%v", row)
		}
	}
	if len(results) != 3 {
		t.Errorf("%v", results)
	}
	hollowed := comparedRows(t, f, "1912-svchost.exe/compared.csv")
	if i := slices.IndexFunc(hollowed, func(r map[string]string) bool { return strings.HasSuffix(r["directory"], "svchost.exe") }); i < 0 || !strings.Contains(hollowed[i]["result"], "bytes differ") {
		t.Errorf("the hollowed process: %v", hollowed)
	}
	resident := comparedRows(t, f, "3256-cmd.exe/compared.csv")
	if i := slices.IndexFunc(resident, func(r map[string]string) bool { return strings.HasSuffix(r["directory"], "cmd.exe") }); i < 0 || resident[i]["result"] != "the same file" {
		t.Errorf("the resident process: %v", resident)
	}
}

// TestNotCompared: without a folder there is no table, and a module without a reference says so.
func TestNotCompared(t *testing.T) {
	dir := folder(t, map[string][]byte{"cmd.exe": synth.DemoOriginals()["cmd.exe"]})
	if f := against(t, asItIs, filepath.Join(dir, "cmd.exe")); slices.Contains(entriesOf(t, f, "3256-cmd.exe"), comparedName) {
		t.Error("a file given by itself is no module's own")
	}
	f := against(t, asItIs, dir)
	if got := read(t, f, "664-lsass.exe/compared.csv"); strings.Contains(got, strings.Repeat(" ", 5)) { // room for two pairs of quotation marks is kept
		t.Errorf("rows without a reference are made longer with blanks:\n%s", got)
	}
	for _, row := range comparedRows(t, f, "664-lsass.exe/compared.csv") {
		if row["result"] != "not compared: the references have no file of this path or name" || row["reference"] != "none" {
			t.Errorf("%v", row)
		}
	}
}
