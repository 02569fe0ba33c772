package reference

import (
	"context"
	iofs "io/fs"
	"testing"

	"memlens/memimage"
	"memlens/memimage/format"
	"memlens/memimage/sparse"
	"memlens/memimage/sparse/sparsetest"
	"memlens/memimage/synth"
)

// imageFile is a memory image on a disk that may have bad places.
type imageFile struct{ sparse.Source }

func (imageFile) Name() string                         { return "clean.raw" }
func (imageFile) Names() ([]string, error)             { return []string{"clean.raw"}, nil }
func (imageFile) Beside(string) (format.Source, error) { return nil, iofs.ErrNotExist }

// openMemory opens the demo's memory on a disk that may have bad places.
func openMemory(t *testing.T, bad ...sparse.Run) (*memory, *sparsetest.Disk) {
	t.Helper()
	system := synth.Demo()
	system.RAM = 16 << 20
	mem, err := synth.Build(system)
	if err != nil {
		t.Fatal(err)
	}
	disk := &sparsetest.Disk{ReaderAt: sparse.ZeroFill(mem.Reader, nil), Bad: bad}
	im, err := memimage.OpenSource(context.Background(), imageFile{sparse.Whole(disk, mem.Reader.Size())}, memimage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { im.Close() })
	return newMemory(im), disk
}

var ntdll = Module{Names: []string{"ntdll.dll"}, Path: `\WINDOWS\system32\ntdll.dll`, Root: `C:\WINDOWS`}

// TestMemoryOnABrokenDisk checks that a file that cannot be read now is not said to be missing, and that the failure
// is not kept.
func TestMemoryOnABrokenDisk(t *testing.T) {
	m, disk := openMemory(t, sparse.Run{Len: 16 << 20})
	disk.Break(true)
	for range 2 {
		if files, err := m.listed(ntdll); !sparse.Failed(err) || len(files) > 0 {
			t.Fatalf("of a disk that cannot be read: %v, %v", namesOf(files), err)
		}
	}
	if f, err := (&Set{places: []place{m}}).Lookup(ntdll, "ntdll.dll"); !sparse.Failed(err) {
		t.Errorf("it is found by name: %+v, %v", f, err)
	}
	disk.Break(false)
	m.image.Faults().Forget()
	if files, err := m.listed(ntdll); err != nil || len(files) == 0 || files[0].Match != SamePath {
		t.Errorf("when the disk has healed: %+v, %v", files, err)
	}
}

// TestMemoryRedirected has a 32-bit process on 64-bit Windows whose path says System32, and means another folder. Its
// file is not the 64-bit file in System32.
func TestMemoryRedirected(t *testing.T) {
	m, _ := openMemory(t)
	of := Module{Names: ntdll.Names, Claimed: `C:\WINDOWS\system32\ntdll.dll`, Root: `C:\WINDOWS`}
	for redirected, want := range map[bool]Match{false: ClaimedPath, true: SameName} {
		of.Redirected = redirected
		if files, err := m.listed(of); err != nil || len(files) == 0 || files[0].Match != want {
			t.Errorf("redirected %v: %+v, %v", redirected, files, err)
		}
	}
}

// TestMemoryMayHaveMore has a damaged list of mapped images: then a file may exist although it was not found.
func TestMemoryMayHaveMore(t *testing.T) {
	m, _ := openMemory(t)
	x := *m.index()
	x.lacks("the list of drivers", []error{iofs.ErrInvalid})
	m.index = func() *memoryIndex { return &x }
	const want = "reference: clean.raw has no such file as far as its lists go: the list of drivers is damaged (invalid argument)"
	if _, err := m.listed(Module{Path: `\WINDOWS\no.dll`, Names: []string{"no.dll"}}); err == nil || err.Error() != want {
		t.Errorf("a file that was not found: %v", err)
	}
	for _, of := range []Module{ntdll, {}} {
		if _, err := m.listed(of); err != nil {
			t.Errorf("%+v: %v", of, err)
		}
	}
}
