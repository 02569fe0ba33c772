package fs

import (
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPageOutlivesItsReference takes a reference away between the look at a page and its reading: the page keeps its size.
func TestPageOutlivesItsReference(t *testing.T) {
	const page = "3256-cmd.exe/" + indexName
	mem := demoMemory(t)
	exe := []byte(read(t, tree(t, mem, Options{}), "3256-cmd.exe/restored.exe"))
	dir := folder(t, map[string][]byte{"cmd.exe": exe})
	f := tree(t, mem, Options{References: references(t, filepath.Join(dir, "cmd.exe"))})
	whole := read(t, f, page)
	f = tree(t, mem, Options{References: references(t, filepath.Join(dir, "cmd.exe"))})
	file, err := f.Open(page)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := os.Remove(filepath.Join(dir, "cmd.exe")); err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(file)
	if err != nil || len(raw) != len(whole) {
		t.Fatalf("%d bytes of %d: %v", len(raw), len(whole), err)
	}
	if got := string(raw); got == whole || !strings.HasSuffix(strings.TrimRight(got, " \n"), "</html>") || !strings.HasSuffix(got, " \n") {
		t.Errorf("the page ends with %q", got[len(got)-60:])
	}
	if info, err := iofs.Stat(f, page); err != nil || info.Size() >= int64(len(whole)) {
		t.Errorf("without the reference the page is as large as with it: %v, %v", info, err)
	}
}

// TestFragmentsDifferByTheirRows makes fragments of rows that are alike when their cells are run together.
func TestFragmentsDifferByTheirRows(t *testing.T) {
	f := newFragments()
	seen := map[string]bool{}
	for _, rows := range [][]link{nil, {{"a", "b", "c"}}, {{"ab", "", "c"}}, {{"a", "b", ""}, {"c", "", ""}}, {{"a\x001\x00b", "", "c"}}, {{"<a>", "b", "c"}}} {
		first, err := fragment(f, "files", rows)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := fragment(f, "files", rows)
		fresh, _ := fragment(newFragments(), "files", rows)
		if first != again || first != fresh || seen[string(first)] {
			t.Errorf("%q: %q, then %q, and %q by itself", rows, first, again, fresh)
		}
		seen[string(first)] = true
	}
}
