package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWindowsNames: each path of a tree has a place in the folder, also on Windows, that is no device and no stream, and lies nowhere else.
func TestWindowsNames(t *testing.T) {
	for name, want := range map[string]string{
		".":                                ".",
		"3256-cmd.exe/restored.exe":        "3256-cmd.exe/restored.exe",
		"3256-%1b[2J/info.json":            "3256-%1b[2J/info.json",
		"1-x/diff-vs/aux.dll.bmp":          "1-x/diff-vs/%61ux.dll.bmp",
		"1-x/diff-vs/CON.bmp":              "1-x/diff-vs/%43ON.bmp",
		"1-x/diff-vs/nul .json":            "1-x/diff-vs/%6eul .json",
		"1-x/diff-vs/com¹.dll.gif":         "1-x/diff-vs/%63om¹.dll.gif",
		"1-x/diff-vs/console.dll.bmp":      "1-x/diff-vs/console.dll.bmp",
		"1-x/diff-vs/auxiliary":            "1-x/diff-vs/auxiliary",
		"1-x/diff-vs/a:stream.bmp":         "1-x/diff-vs/a%3astream.bmp",
		`1-x/diff-vs/..\..\..\evil.exe`:    "1-x/diff-vs/..%5c..%5c..%5cevil.exe",
		"1-x/diff-vs/end. ":                "1-x/diff-vs/end.%20",
		"1-x/diff-vs/<what?>|*\".bmp":      "1-x/diff-vs/%3cwhat%3f%3e%7c%2a%22.bmp",
		"1-x/diff-vs/\x07bell\n.bmp":       "1-x/diff-vs/%07bell%0a.bmp",
		"1-x/diff-vs/PRN":                  "1-x/diff-vs/%50RN",
		"gallery/3256-cmd.exe.bmp":         "gallery/3256-cmd.exe.bmp",
		"1-x/diff-vs/LPT1.tar.gz.bmp":      "1-x/diff-vs/%4cPT1.tar.gz.bmp",
		"1-x/diff-vs/com10.dll.bmp":        "1-x/diff-vs/com10.dll.bmp",
		"drivers/80010000-null.sys/x.json": "drivers/80010000-null.sys/x.json",
	} {
		if got := allowedPath(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// TestTwoNamesOfOneFile copies two paths that a file system takes for one: the second is refused. A link stands for such a file system.
func TestTwoNamesOfOneFile(t *testing.T) {
	e := extraction{out: t.TempDir()}
	if err := e.take("a.dll"); err != nil {
		t.Error(err)
	}
	if err := e.take("A.dll"); err != nil {
		t.Errorf("names that are told apart: %v", err)
	}
	for _, err := range []error{os.WriteFile(e.at("a.dll"), nil, 0o666), os.Link(e.at("a.dll"), filepath.Join(e.out, "A.DLL"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := e.take("A.DLL"); err == nil || !strings.Contains(err.Error(), "a.dll has this place") {
		t.Errorf("one file by two names: %v", err)
	}
}
