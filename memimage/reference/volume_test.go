package reference

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/volume"
)

// windowsFolder makes a folder that is the volume of a 64-bit Windows. Each file holds its own path.
func windowsFolder(t *testing.T, paths ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, p := range append(paths, "Windows/System32/ntdll.dll", "Windows/SysWOW64/ntdll.dll") {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, p)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, p), []byte(p), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestVolume compares a module with the file of its own path, as the kernel or else the process has it, before any other.
func TestVolume(t *testing.T) {
	dir := windowsFolder(t, "App/app.dll", "Windows/System32/app.dll", "Windows/WinSxS/x_1/side.dll")
	s := open(t, dir)
	tests := []struct {
		name string
		of   Module
		want string
		as   Match
	}{
		{"the kernel's path", Module{Path: `\Device\HarddiskVolume2\app\APP.DLL`, Names: []string{"app.dll"}}, "App/app.dll", SamePath},
		{"the process's path", Module{Claimed: `C:\Windows\System32\ntdll.dll`, Root: `C:\Windows`}, "Windows/System32/ntdll.dll", ClaimedPath},
		{"a 32-bit process's path", Module{Claimed: `C:\Windows\System32\ntdll.dll`, Root: `C:\Windows`, Redirected: true}, "Windows/SysWOW64/ntdll.dll", ClaimedPath},
		{"the kernel's path of a 32-bit process's module", Module{Path: `\Windows\System32\ntdll.dll`, Redirected: true}, "Windows/System32/ntdll.dll", SamePath},
		{"a path that is not there", Module{Path: `\Windows\System32\side.dll`, Names: []string{"side.dll"}}, "Windows/WinSxS/x_1/side.dll", SameName},
	}
	for _, tt := range tests {
		f, found, err := s.Best(tt.of)
		if err != nil || !found {
			t.Errorf("%s: %v, %v", tt.name, found, err)
			continue
		}
		c, err := f.Open()
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		b := make([]byte, c.Size())
		if _, err := c.ReadAt(b, 0); string(b) != tt.want || f.Match != tt.as {
			t.Errorf("%s: %s, %s, %v", tt.name, b, f.Match, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestUnreadable checks that a file that exists and cannot be read is listed, with the reason.
func TestUnreadable(t *testing.T) {
	dir := windowsFolder(t)
	if err := os.WriteFile(filepath.Join(dir, "Windows/zeros.dll"), make([]byte, 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("unsupported reparse tag 0x80000017", filepath.Join(dir, "Windows/wof.dll")); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	for _, name := range []string{"zeros.dll", "wof.dll"} {
		f, found, err := s.Best(Module{Path: `\Windows\` + name})
		if err != nil || !found {
			t.Errorf("%s: %v, %v", name, found, err)
			continue
		}
		var e *volume.UnreadableError
		if _, err := f.Open(); !errors.As(err, &e) || !strings.Contains(err.Error(), "compressed by WOF") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
