package memimage

import (
	"context"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"memlens/memimage/format"
	"memlens/memimage/sparse"
)

// failingDisk is a file of zeros. Its second half cannot be read.
type failingDisk struct{ sparse.Source }

func (failingDisk) Name() string { return "disk.raw" }
func (failingDisk) Beside(string) (format.Source, error) {
	return nil, fs.ErrNotExist
}
func (failingDisk) Names() ([]string, error) { return nil, nil }

type halfZeros struct{ size int64 }

func (h halfZeros) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > h.size/2 {
		return 0, syscall.EIO
	}
	if off >= h.size {
		return 0, io.EOF
	}
	clear(p)
	return len(p), nil
}

// TestFailedReadsAreSaidFirst has an image with a part that cannot be read: it may hold a Windows after all.
func TestFailedReadsAreSaidFirst(t *testing.T) {
	const size = 8 << 20
	_, err := OpenSource(context.Background(), failingDisk{sparse.Whole(halfZeros{size}, size)}, Options{})
	if err == nil {
		t.Fatal("it opens")
	}
	for _, want := range []string{"reads of the file failed, the last: reading at offset ", "input/output error", "ddrescue", "no Windows system found in what could be read of this image (raw, 8388608 bytes)"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("it does not say %q: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "acquisition failed") || !strings.HasPrefix(err.Error(), "memimage: disk.raw: ") || strings.Index(err.Error(), "reads of the file failed") > 60 {
		t.Errorf("it says %v", err)
	}
}
