package format

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/sparse/sparsetest"
	"memlens/memimage/synth/corpus"
)

// everyWrapping lists every format, raw among them.
func everyWrapping() []wrapping {
	return append(wrappings(), wrapping{name: "raw", format: "raw", write: file("a.raw", flat)})
}

// smallMemory is a memory with a hole that is quickly read as a whole.
func smallMemory() []run {
	return []run{{0x1000, testPages(0x1000, 0x20)}, {0x30000, testPages(0x30000, 0x31)}, {0x80000, testPages(0x80000, 0x11)}}
}

// TestMemoryIsASource checks that the memory in every format keeps the contract of a source: of the file as it was
// written, and with a damaged byte in many places.
func TestMemoryIsASource(t *testing.T) {
	corpus.Long(t)
	for _, w := range everyWrapping() {
		t.Run(w.name, func(t *testing.T) {
			src := w.write(t, smallMemory())
			checkSource(t, src, "the file as written")
			whole := content(t, src)
			const places = 10
			for i := range places {
				data := bytes.Clone(whole)
				data[len(data)*(2*i+1)/(2*places)] ^= 0x55
				checkSource(t, &memSource{sparse.Bytes(data), src.name, src.siblings}, "with a damaged byte")
			}
		})
	}
}

func checkSource(t *testing.T, src *memSource, what string) {
	t.Helper()
	im, err := Open(src, Options{SpoolDir: t.TempDir()})
	if err != nil {
		return
	}
	defer im.Close()
	if err := sparsetest.Check(im.Memory); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func content(t testing.TB, src sparse.Source) []byte {
	t.Helper()
	b := make([]byte, src.Size())
	if n, err := src.ReadAt(b, 0); n < len(b) {
		t.Fatal(err)
	}
	return b
}

// diskSource is a file on a disk with bad places, as are its siblings.
type diskSource struct {
	sparse.Source
	*sparsetest.Disk
	file *memSource
	all  *[]*sparsetest.Disk
}

// onDisk puts a file on a disk. Some bytes cannot be read, from the given part of the file on. The disk is sound
// until it is broken.
func onDisk(t *testing.T, file *memSource, part float64, all *[]*sparsetest.Disk) *diskSource {
	data := content(t, file)
	disk := &sparsetest.Disk{ReaderAt: bytes.NewReader(data), Bad: []sparse.Run{{Off: int64(part * float64(len(data))), Len: 512}}}
	*all = append(*all, disk)
	return &diskSource{sparse.Whole(disk, int64(len(data))), disk, file, all}
}

func (d *diskSource) Name() string                                  { return d.file.name }
func (d *diskSource) ReadAt(p []byte, off int64) (n int, err error) { return d.Source.ReadAt(p, off) }
func (d *diskSource) Names() ([]string, error)                      { return d.file.Names() }
func (d *diskSource) Beside(name string) (Source, error) {
	s, err := d.file.Beside(name)
	if err != nil {
		return nil, err
	}
	part := float64(d.Bad[0].Off) / float64(d.Size())
	disk := &sparsetest.Disk{ReaderAt: s, Bad: []sparse.Run{{Off: int64(part * float64(s.Size())), Len: 512}}}
	disk.Break(d.Broken())
	*d.all = append(*d.all, disk)
	return &diskSource{sparse.Whole(disk, s.Size()), disk, s.(*memSource), d.all}, nil
}

// TestFaultsOfTheDisk opens every format on a disk with bad places, and reads it on a disk that breaks later: a byte
// is either the byte of the sound disk, or reading it fails. A failed read is no hole, and is not remembered.
func TestFaultsOfTheDisk(t *testing.T) {
	corpus.Long(t)
	const parts = 16
	for _, w := range everyWrapping() {
		t.Run(w.name, func(t *testing.T) {
			src := w.write(t, smallMemory())
			want := content(t, &memSource{Source: zeroFilled(t, src)})
			refused, failed := 0, 0
			for i := range parts {
				part := (float64(i) + 0.3) / float64(parts)
				if opensBroken(t, src, part, want) {
					refused++
				}
				failed += breaksLater(t, src, part)
			}
			t.Logf("%d of %d bad places refused, %d pages failed later", refused, parts, failed)
			if refused+failed == 0 && !spools(w.format) {
				t.Error("no bad place was ever met")
			}
		})
	}
}

// spools reports whether a format is unpacked to a file when it is opened.
func spools(format string) bool { return strings.HasPrefix(format, "split") }

// zeroFilled returns the memory in a file, with zeros for holes.
func zeroFilled(t *testing.T, src *memSource) sparse.Source {
	t.Helper()
	im, err := Open(src, Options{SpoolDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { im.Close() })
	return sparse.Whole(sparse.ZeroFill(im.Memory, nil), im.Memory.Size())
}

// opensBroken opens a file whose disk is broken from the start and reports whether that was refused, as it must be
// when the container's own structures cannot be read. An image that opens must have the right memory, as far as it
// can be read.
func opensBroken(t *testing.T, file *memSource, part float64, want []byte) (refused bool) {
	t.Helper()
	var all []*sparsetest.Disk
	src := onDisk(t, file, part, &all)
	src.Break(true)
	im, err := Open(src, Options{SpoolDir: t.TempDir()})
	if err != nil {
		var fault *FaultError
		if !errors.As(err, &fault) || !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "input/output error") {
			t.Errorf("a bad place at %.2f of the file: the error does not say that reading failed: %v", part, err)
		}
		return true
	}
	defer im.Close()
	if int64(len(want)) != im.Memory.Size() {
		t.Errorf("a bad place at %.2f of the file: %#x bytes of memory, of the sound file %#x", part, im.Memory.Size(), len(want))
		return false
	}
	b := make([]byte, pageSize)
	for off := int64(0); off < im.Memory.Size(); off += pageSize {
		n, err := sparse.ZeroFill(im.Memory, nil).ReadAt(b[:min(pageSize, int64(len(want))-off)], off)
		if !bytes.Equal(b[:n], want[off:off+int64(n)]) {
			t.Errorf("a bad place at %.2f of the file: wrong bytes at %#x", part, off)
		}
		if n < pageSize && off+int64(n) < int64(len(want)) && (!sparse.Failed(err) || !errors.Is(err, syscall.EIO)) {
			t.Errorf("a bad place at %.2f of the file: reading %#x ends with %v", part, off, err)
		}
	}
	return false
}

// breaksLater opens a file and breaks its disk then. It returns how many pages could not be read.
func breaksLater(t *testing.T, file *memSource, part float64) int {
	t.Helper()
	var all []*sparsetest.Disk
	src := onDisk(t, file, part, &all)
	im, err := Open(src, Options{SpoolDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	total := 0
	for _, disk := range all {
		failed, err := sparsetest.CheckFaults(im.Memory, disk, im.Faults.Forget)
		if err != nil {
			t.Errorf("a bad place at %.2f of %s: %v", part, filepath.Base(file.name), err)
		}
		if failed > 0 && im.Faults.Count() == 0 {
			t.Errorf("a bad place at %.2f: %d pages failed and no fault was counted", part, failed)
		}
		total += failed
	}
	return total
}

// TestHolesBelowAreHoles has a damaged block below formats of all kinds: the bytes in it are missing, and nothing
// else.
func TestHolesBelowAreHoles(t *testing.T) {
	corpus.Long(t)
	runs := smallMemory()
	want := flat(runs)
	for _, w := range everyWrapping() {
		t.Run(w.name, func(t *testing.T) {
			src := w.write(t, runs)
			data := content(t, src)
			hole := &sparse.HoleError{Off: int64(len(data)) * 5 / 8, Len: min(512, int64(len(data))/4), Err: io.ErrNoProgress}
			holed, err := sparse.NewReader(int64(len(data)), sparse.Extent{Len: hole.Off, Src: sparse.Bytes(data)},
				sparse.Extent{Off: hole.Off + hole.Len, Len: int64(len(data)) - hole.Off - hole.Len, Src: sparse.Bytes(data), SrcOff: hole.Off + hole.Len})
			if err != nil {
				t.Fatal(err)
			}
			im, err := Open(&memSource{holed, src.name, src.siblings}, Options{SpoolDir: t.TempDir()})
			if err != nil {
				return
			}
			defer im.Close()
			if err := sparsetest.Check(im.Memory); err != nil {
				t.Error(err)
			}
			if im.Format != "raw" {
				checkSubset(t, im, want)
			}
		})
	}
}
