package format

import (
	"os"
	"path/filepath"
)

// whatFolder describes a folder that was given in place of a file, and says what to do.
func whatFolder(path string) string {
	if _, err := os.Stat(filepath.Join(path, "information.turtle")); err == nil {
		return "an AFF4 volume that is a folder: pack its files into a zip archive without compression and open that: cd " + path + " && zip -0 -r ../FILE.aff4 ."
	}
	return "a directory: give the image file in it"
}
