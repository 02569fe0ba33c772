package format

import (
	"os"
	"path/filepath"
	"testing"

	"memlens/memimage/sparse"
)

func TestHolesOfAFileAreKnown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sparse.raw")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, off := range []int64{0, 8 << 20} {
		if _, err := f.WriteAt([]byte("something that is not zero"), off); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(16 << 20); err != nil {
		t.Fatal(err)
	}
	im, err := OpenFile(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if n := sparse.Zeros(im.Memory, 0); n != 0 {
		t.Errorf("%d zeros at the start, where there is data", n)
	}
	hole := sparse.Zeros(im.Memory, 1<<20)
	if hole == 0 {
		t.Skip("this file system does not tell holes")
	}
	if hole != 7<<20 {
		t.Errorf("%#x zeros from 1 MiB on, want up to 8 MiB", hole)
	}
	if n := sparse.Zeros(im.Memory, 9<<20); n != 7<<20 {
		t.Errorf("%#x zeros from 9 MiB on, want up to the end", n)
	}
	if err := f.Truncate(4 << 20); err != nil {
		t.Fatal(err)
	}
	if n := sparse.Zeros(im.Memory, 9<<20); n != 0 {
		t.Errorf("%#x zeros are said to be behind the end of a file that has become shorter", n)
	}
}
