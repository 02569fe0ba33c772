package corpus

import (
	"archive/tar"
	"io"
	"os"
	"testing"
)

// Originals returns the files on the disk of ReactOS that modules and drivers were loaded from, by their names in the archive.
func Originals(t testing.TB) map[string][]byte {
	t.Helper()
	archive, err := os.Open(Unpack(t, "ReactOS0413x86.modules-originals.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	out := map[string][]byte{}
	for files := tar.NewReader(archive); ; {
		h, err := files.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if out[h.Name], err = io.ReadAll(files); err != nil {
			t.Fatal(err)
		}
	}
}
