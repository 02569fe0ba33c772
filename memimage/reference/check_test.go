package reference

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheck gives what holds something to compare with, and what does not.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"empty", "folders/below", "files", "disk/Windows/System32/config", "linked"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range map[string]string{"file": "MZ", "none": "", "files/a.exe": "MZ", "folders/below/a.exe": "MZ"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../file", filepath.Join(dir, "linked", "a.exe")); err != nil {
		t.Skip(err)
	}
	for name, want := range map[string]string{
		"file": "", "files": "", "disk": "", "linked": "",
		"none": "none is empty", "empty": "there is no file in the folder " + filepath.Join(dir, "empty"), "folders": "no Windows volume either", "missing": "no such file",
	} {
		err := Check([]string{filepath.Join(dir, "file"), filepath.Join(dir, name)})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if err := Check([]string{"https://host/x"}); err != nil {
		t.Errorf("a URL: %v", err)
	}
}
