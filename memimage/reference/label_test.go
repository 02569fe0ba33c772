package reference

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPlacesOfOneName has volumes whose folders have the same name, such as the volumes of two days. Each has its
// file, and the names of the volumes tell them apart. A volume that is given twice is in the set once.
func TestPlacesOfOneName(t *testing.T) {
	var volumes []string
	for _, day := range []string{"monday", "tuesday"} {
		dir := filepath.Join(t.TempDir(), day, "c")
		if err := os.MkdirAll(filepath.Join(dir, "Windows/System32"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "Windows/System32/a.dll"), []byte("MZ "+day), 0o600); err != nil {
			t.Fatal(err)
		}
		volumes = append(volumes, dir)
	}
	s := open(t, volumes[0], volumes[1], volumes[0]+"/")
	listed, err := s.Listed(Module{Names: []string{"a.dll"}, Path: `\Windows\System32\a.dll`})
	if err != nil || len(listed) != 2 || listed[0].Name != "a.dll" || listed[1].Name != "a.dll~2" {
		t.Fatalf("%+v, %v", listed, err)
	}
	if !strings.HasPrefix(listed[0].Path, "c: ") || !strings.HasPrefix(listed[1].Path, volumes[1]+": ") {
		t.Errorf("they are called %q and %q", listed[0].Path, listed[1].Path)
	}
	if len(s.Notes) != 2 {
		t.Errorf("%q", s.Notes)
	}
}
