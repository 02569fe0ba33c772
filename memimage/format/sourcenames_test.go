package format

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFoldersCalledAsPieces has folders, and a broken link, beside a file, with the names of pieces of that file.
func TestFoldersCalledAsPieces(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.raw")
	if err := os.WriteFile(path, testPages(0x1000, 4), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path+".1", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a.raw.2", path+".2"); err != nil {
		t.Skip(err)
	}
	im, err := OpenFile(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if im.Format != "raw" {
		t.Errorf("format %q", im.Format)
	}
}
