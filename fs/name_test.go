package fs

import (
	"context"
	iofs "io/fs"
	"testing"
)

// TestNames: asking what a name is returns the result of stat, except for sizes that are left out, and makes none of
// those files.
func TestNames(t *testing.T) {
	f, _ := demo(t)
	late := map[string]bool{}
	err := iofs.WalkDir(f, ".", func(path string, _ iofs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		got, sized, err := f.NameContext(context.Background(), path)
		if err != nil {
			t.Fatal(err)
		}
		if !sized {
			if late[path] = true; f.sizes.Contains(path) {
				t.Errorf("%s: it was measured to be named", path)
			}
		}
		want, err := f.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		attr, wantAttr := *got.Sys().(*Attr), *want.Sys().(*Attr)
		if !sized {
			attr.Blocks = wantAttr.Blocks
		}
		if got.Name() != want.Name() || got.Mode() != want.Mode() || !got.ModTime().Equal(want.ModTime()) || attr != wantAttr || sized && got.Size() != want.Size() {
			t.Errorf("%s: %v, %+v; stat says %v, %+v", path, got, attr, want, wantAttr)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"index.html", "processes.csv", "drivers.csv", "README.txt", "image.json", "scanned/index.html", "scanned/processes.csv", "scanned/drivers.csv"} {
		if !late[name] {
			t.Errorf("%s: its size is found to name it", name)
		}
	}
	if late["memory.raw"] || late["3256-cmd.exe/procexedump.exe"] {
		t.Error("sizes are left out that take no work")
	}
	if _, _, err := f.NameContext(context.Background(), "no such file"); err == nil {
		t.Error("there is a file that is not there")
	}
}
