package memimage

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"testing"

	"memlens/memimage/format"
	"memlens/memimage/paging"
	"memlens/memimage/sparse"
	"memlens/memimage/sparse/sparsetest"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// diskFile is a raw image on a disk that may have bad places. It notes the pages that are read.
type diskFile struct {
	sparse.Source
	disk *sparsetest.Disk
	mu   sync.Mutex
	read map[int64]bool
}

func newDiskFile(data io.ReaderAt, size int64, bad ...sparse.Run) *diskFile {
	f := &diskFile{read: map[int64]bool{}}
	f.disk = &sparsetest.Disk{ReaderAt: data, Bad: bad}
	f.Source = sparse.Whole(f, size)
	return f
}

// onDisk is a memory that was written to such a disk.
func onDisk(m *synth.Memory, bad ...sparse.Run) *diskFile {
	return newDiskFile(sparse.ZeroFill(m.Reader, nil), m.Reader.Size(), bad...)
}

func (f *diskFile) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	for at := off / pageSize; at*pageSize < off+int64(len(p)) && len(p) <= pageSize; at++ {
		f.read[at] = true
	}
	f.mu.Unlock()
	return f.disk.ReadAt(p, off)
}

func (f *diskFile) Size() int64                          { return f.Source.Size() }
func (f *diskFile) Name() string                         { return "disk.raw" }
func (f *diskFile) Names() ([]string, error)             { return []string{"disk.raw"}, nil }
func (f *diskFile) Beside(string) (format.Source, error) { return nil, fs.ErrNotExist }

// TestStoreOnABrokenDisk: a fault of the disk on the way to the store is an error and no hole, wherever it is. Nothing
// about it is kept when the disk has healed.
func TestStoreOnABrokenDisk(t *testing.T) {
	corpus.Long(t)
	m := buildMemory(t, storeSystem(t, "Win10x64_19041.2846"))
	sound := onDisk(m)
	im := openDisk(t, sound)
	space := storeReader(t, im)
	clear(sound.read)
	want := readStored(space, m)
	pages := slices.Sorted(maps.Keys(sound.read))
	failed := 0
	for i := 0; i < len(pages); i += 5 {
		f := onDisk(m, sparse.Run{Off: pages[i] * pageSize, Len: pageSize})
		im := openDisk(t, f)
		space := storeReader(t, im)
		f.disk.Break(true)
		for j, got := range readStored(space, m) {
			switch {
			case sparse.Failed(got.err):
				failed++
			case !bytes.Equal(got.data, want[j].data) || sparse.IsHole(got.err) != sparse.IsHole(want[j].err):
				t.Errorf("page %#x of the disk is bad: %#x (%v): %v, want %v", pages[i], m.Truth.Store.Pages[j].VA, m.Truth.Store.Pages[j].Kind, got.err, want[j].err)
			}
		}
		f.disk.Break(false)
		im.Faults().Forget()
		for j, got := range readStored(space, m) {
			if !bytes.Equal(got.data, want[j].data) || (got.err == nil) != (want[j].err == nil) {
				t.Errorf("page %#x of the disk was bad: %#x (%v): %v", pages[i], m.Truth.Store.Pages[j].VA, m.Truth.Store.Pages[j].Kind, got.err)
			}
		}
		im.Close()
	}
	if failed == 0 {
		t.Error("no read failed")
	}
}

func openDisk(t *testing.T, f *diskFile) *Image {
	t.Helper()
	im, err := OpenSource(context.Background(), f, Options{AllPages: true})
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// storeReader is the space of the process with pages of every kind.
func storeReader(t *testing.T, im *Image) *paging.Space {
	t.Helper()
	listed, _ := im.Processes()
	for _, p := range listed {
		if p.PID == 1036 {
			return p.Process.Space()
		}
	}
	t.Fatal("the process is missing")
	return nil
}

type storedRead struct {
	data []byte
	err  error
}

func readStored(space *paging.Space, m *synth.Memory) (out []storedRead) {
	for _, p := range m.Truth.Store.Pages {
		if p.PID == 1036 {
			b := make([]byte, pageSize)
			n, err := space.ReadVirt(b, paging.Virt(p.VA))
			out = append(out, storedRead{b[:n], err})
		}
	}
	return out
}
