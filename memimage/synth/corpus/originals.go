package corpus

import (
	"archive/tar"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/ulikunitz/xz"
)

// Originals returns the files on the disk of ReactOS that modules and drivers were loaded from, by their names in the archive.
func Originals(t testing.TB) map[string][]byte {
	t.Helper()
	packed, err := os.Open(filepath.Join(Dir(t), "ReactOS0413x86.modules-originals.tar.xz"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	unpacked, err := xz.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for files := tar.NewReader(unpacked); ; {
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
