package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// at is the place in the folder to which a path of the tree is copied.
func (e *extraction) at(name string) string {
	if runtime.GOOS == "windows" {
		name = allowedPath(name)
	}
	return filepath.Join(e.out, filepath.FromSlash(name))
}

// allowedPath is a path of the tree in which each name is one that Windows allows. The names of processes and modules are already;
// the names of references may come from a disk or an image of another system. What Windows does not allow is written as %XX.
func allowedPath(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		if part != "." {
			parts[i] = allowedName(part)
		}
	}
	return strings.Join(parts, "/")
}

// windowsDevice is the name of a device of Windows, whatever the file's extension.
var windowsDevice = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(\.|$)`)

func allowedName(name string) string {
	var out strings.Builder
	device := windowsDevice.MatchString(name)
	for i := range len(name) {
		c, last := name[i], i == len(name)-1
		if c < ' ' || strings.IndexByte(`\:*?"<>|`, c) >= 0 || last && (c == '.' || c == ' ') || i == 0 && device {
			fmt.Fprintf(&out, "%%%02x", c)
			continue
		}
		out.WriteByte(c)
	}
	return out.String()
}

// take notes that a path of the tree has its place in the folder. The error says that the place is another's: some file systems
// take no notice of the case of names.
func (e *extraction) take(name string) error {
	if e.taken == nil {
		e.taken = map[string]string{}
	}
	key := strings.ToLower(e.at(name))
	other, ok := e.taken[key]
	if !ok {
		e.taken[key] = name
		return nil
	}
	there, err := os.Lstat(e.at(name))
	if err != nil {
		return nil // the file system tells the names apart
	}
	before, err := os.Lstat(e.at(other))
	if err != nil || !os.SameFile(there, before) {
		return nil
	}
	return errors.New("not copied, because " + other + " has this place in the folder")
}
