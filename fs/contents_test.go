package fs

import (
	"encoding/csv"
	iofs "io/fs"
	"path"
	"slices"
	"strings"
	"testing"
)

// TestTablesAreTheFiles compares the description of the CSV files with the files of the demo's tree.
func TestTablesAreTheFiles(t *testing.T) {
	described := map[string][]string{}
	for _, table := range Tables() {
		for _, c := range table.Columns {
			if c.Doc == "" {
				t.Errorf("%s: nothing is said of the column %s", table.Name, c.Name)
			}
		}
		name, _, _ := strings.Cut(table.Name, ", of a process dump")
		for one := range strings.SplitSeq(name, ", ") {
			described[path.Base(one)] = columnNames(table.Columns)
		}
	}
	f, _ := demo(t)
	seen := map[string]bool{}
	err := iofs.WalkDir(f, ".", func(name string, d iofs.DirEntry, err error) error {
		base := path.Base(name)
		if err != nil || path.Ext(base) != ".csv" || seen[base] {
			return err
		}
		seen[base] = true
		checkHeader(t, f, name, described[base])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"processes.csv", "modules.csv", "modified.csv", "similar.csv"} {
		if !seen[name] {
			t.Errorf("the demo has no %s", name)
		}
	}
}

// checkHeader compares the first line of a file with the columns that are described. Only the dump of a process has the
// column for pages of a dump.
func checkHeader(t *testing.T, f *FS, name string, want []string) {
	t.Helper()
	data, err := iofs.ReadFile(f, name)
	if err != nil {
		t.Fatal(err)
	}
	got, err := csv.NewReader(strings.NewReader(string(data))).Read()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	want = slices.DeleteFunc(slices.Clone(want), func(c string) bool { return c == "pages_dump" })
	if !slices.Equal(got, want) {
		t.Errorf("%s has the columns\n%q, described are\n%q", name, got, want)
	}
}

// TestContentsAreTheTree: every file of the demo's tree is described.
func TestContentsAreTheTree(t *testing.T) {
	described := map[string]bool{}
	for _, folder := range Contents() {
		for _, e := range folder.Entries {
			if e.Doc == "" {
				t.Errorf("%s: nothing is said of %s", folder.Where, e.Name)
			}
			described[e.Name] = true
		}
	}
	f, _ := demo(t)
	for _, dir := range []string{".", "3256-cmd.exe"} {
		list, err := iofs.ReadDir(f, dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			name := e.Name()
			if e.IsDir() {
				name += "/"
			}
			if !described[name] && !isProcessDir(e.Name()) {
				t.Errorf("%s in %s is not described", name, dir)
			}
		}
	}
}

func isProcessDir(name string) bool { return name[0] >= '0' && name[0] <= '9' }

func columnNames(entries []Entry) []string {
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = e.Name
	}
	return out
}
