package volume

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/sparse"
)

// TestWrittenByWindows reads all files of a volume that Windows has written, and which comes with the library, as ntfs-3g
// reads them.
func TestWrittenByWindows(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "www.velocidex.com/golang/go-ntfs").Output()
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "parser/test_data/test.ntfs.dd"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := openNTFS(t.Context(), sparse.NewCache(sparse.Bytes(whole), 100), "", "")
	if err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(t.TempDir(), "image.raw")
	put(t, image, whole)
	n := 0
	mounted(t, image, "ro", func(dir string) {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			want, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name := strings.TrimPrefix(path, dir+"/")
			f, err := walkTo(t.Context(), v, strings.Split(name, "/"))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return nil
			}
			if got := contentOf(t, f); !bytes.Equal(got, want) {
				t.Errorf("%s: differs at %d of %d", name, firstDifference(got, want), len(want))
			}
			n++
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	if n < 5 {
		t.Errorf("%d files", n)
	}
}
