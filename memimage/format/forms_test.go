package format

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/synth/corpus"
)

var update = flag.Bool("update", false, "rewrite what is generated from the code")

// Marks in the README of the table of forms.
const (
	formsBegin = "<!-- The table is made from memimage/format/forms.go by go test ./memimage/format -run TestReadme -update. -->\n"
	formsEnd   = "<!-- End of the table. -->\n"
)

// TestReadme compares the table in the README with the code.
func TestReadme(t *testing.T) {
	path := filepath.Join("..", "..", "README.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), formsBegin)
	table, after, ok2 := strings.Cut(rest, formsEnd)
	if !ok1 || !ok2 {
		t.Fatal("the README has no table of forms")
	}
	if table == FormsTable() {
		return
	}
	if !*update {
		t.Fatal("the table of forms in the README is not that of the code: run the test with -update")
	}
	if err := os.WriteFile(path, []byte(before+formsBegin+FormsTable()+formsEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestForms checks that every container that is opened has its form in the list, and that forms read by the
// documentation alone say so.
func TestForms(t *testing.T) {
	corpus.Long(t)
	for _, f := range Forms() {
		if (f.Writers == "") == (f.After == "") {
			t.Errorf("%s: read back %q, after %q: one of them is to be said", f.What, f.Writers, f.After)
		}
	}
	for _, w := range everyWrapping() {
		im, err := Open(w.write(t, smallMemory()), Options{SpoolDir: t.TempDir()})
		if err != nil {
			t.Errorf("%s: %v", w.name, err)
			continue
		}
		for name := range strings.SplitSeq(im.Format, ": ") {
			f, by := formOf(name)
			if by == "" {
				t.Errorf("%s: the form %q is not in the list", w.name, name)
			}
			if said := noteWith(im, "This form ("+name+") is read from the documentation only"); said != (f.After != "") {
				t.Errorf("%s: that %q is read from the documentation only is said: %v", w.name, name, said)
			}
		}
		if err := im.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestFormsAreTried checks that the tests open a file of every form, and that testdata has a file of another program
// for every form whose Writers say so. Two forms are exceptions: files of split are written by the test itself, and
// the minidump of another program is in the project's testdata.
func TestFormsAreTried(t *testing.T) {
	written, tried := map[string]bool{"split": true}, map[string]bool{}
	if im, err := OpenFile("../../testdata/minidump/small.dmp.xz", Options{SpoolDir: t.TempDir()}); err != nil {
		t.Error(err)
	} else {
		_, name, _ := strings.Cut(im.Format, ": ")
		_, by := formOf(name)
		written[by] = true
		if err := im.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, w := range writtenFiles(t) {
		for name := range strings.SplitSeq(w["format"], ": ") {
			_, by := formOf(name)
			written[by] = true
		}
	}
	for _, w := range everyWrapping() {
		for name := range strings.SplitSeq(w.format, ": ") {
			_, by := formOf(name)
			tried[by] = true
		}
	}
	for _, f := range Forms() {
		proved := strings.HasPrefix(f.Writers, "any")
		for _, n := range f.Names {
			if proved = proved || written[n]; !written[n] && !tried[n] && n != "VMware .vmem alone" {
				t.Errorf("no test opens a file of the form %q", n)
			}
		}
		if f.After == "" && !proved {
			t.Errorf("%s: no file of another program is read back", f.What)
		}
	}
}
