package fs

import (
	"bytes"
	"context"
	"errors"
	iofs "io/fs"
	"path"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"memlens/memimage"
	"memlens/memimage/format"
	"memlens/memimage/sparse"
	"memlens/memimage/sparse/sparsetest"
)

// diskFile is an image on a disk with bad places.
type diskFile struct {
	sparse.Source
	*sparsetest.Disk
}

func (d diskFile) Name() string                                { return "demo.raw" }
func (d diskFile) Beside(string) (format.Source, error)        { return nil, iofs.ErrNotExist }
func (d diskFile) Names() ([]string, error)                    { return nil, errors.ErrUnsupported }
func (d diskFile) Close() error                                { return nil }
func (d diskFile) ReadAt(p []byte, off int64) (n int, e error) { return d.Source.ReadAt(p, off) }

// TestScanOnABrokenDisk scans memory while the page of a hidden process cannot be read. A listing ends with the error, the
// process is not said to be absent, and the files about all processes are errors. When the disk works again, all is as it was.
func TestScanOnABrokenDisk(t *testing.T) {
	mem := demoMemory(t)
	data := make([]byte, mem.Reader.Size())
	if _, err := mem.Reader.ReadAt(data, 0); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		disk := &sparsetest.Disk{ReaderAt: bytes.NewReader(data)}
		im, err := memimage.OpenSource(context.Background(), diskFile{sparse.Whole(disk, int64(len(data))), disk}, memimage.Options{Container: format.Options{CacheBytes: 1}})
		if err != nil {
			t.Fatal(err)
		}
		defer im.Close()
		if _, err := im.Processes(); len(err) > 0 {
			t.Fatal(err)
		}
		sound := tree(t, mem, Options{})
		tables := []string{"processes.csv", "index.html", "drivers.csv", "digests.csv", "drivers-digests.csv"}
		found, err := sound.image.Scanned(t.Context())
		if err != nil || len(found) == 0 {
			t.Fatal(found, err)
		}
		hidden := found[len(found)-1]
		names, _ := named(found)
		dir := path.Join(scannedName, names[len(names)-1])
		f := New(im, Options{})
		disk.Bad = []sparse.Run{{Off: int64(hidden.PA) &^ (onePage - 1), Len: onePage}}
		disk.Break(true)
		for range 2 { // the second time, the outcome of the scan is kept
			entries, err := f.ReadDir(scannedName)
			if !errors.Is(err, syscall.EIO) || len(entries) == 0 {
				t.Errorf("a listing of %d entries ends with %v", len(entries), err)
			}
			if _, err := f.Stat(dir); !errors.Is(err, syscall.EIO) {
				t.Errorf("the process: %v", err)
			}
			for _, name := range tables {
				data, err := iofs.ReadFile(f, path.Join(scannedName, name))
				if said := bytes.Contains(data, []byte("not all of memory could be searched: ")); !said && !errors.Is(err, syscall.EIO) || said && err != nil {
					t.Errorf("%s: %d bytes, error %v", name, len(data), err)
				}
			}
		}
		disk.Break(false)
		time.Sleep(time.Minute)
		for _, name := range tables {
			name = path.Join(scannedName, name)
			want := read(t, sound, name)
			if got, err := iofs.ReadFile(f, name); err != nil || string(got) != want {
				t.Errorf("%s, healed: %d bytes of %d, error %v", name, len(got), len(want), err)
			}
		}
		if _, err := f.Stat(dir); err != nil {
			t.Error(err)
		}
	})
}
