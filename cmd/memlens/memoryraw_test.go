//go:build linux

package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// readFrom reads a file from its start until reading fails.
func readFrom(t *testing.T, name string) ([]byte, error) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return io.ReadAll(struct{ io.Reader }{f})
}

// TestMemoryRawOfAFileThatIsCut reads all of memory.raw from an image that was cut in the middle of a page after it
// was mounted. The rest of the file reads as before, and its end is an I/O error: never zeros, and never the end of the file.
func TestMemoryRawOfAFileThatIsCut(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	for _, cut := range []int64{0, 100, 5 << 20, 5<<20 + 100, 60<<20 + 4095} {
		image, _ := demo(t)
		want := []byte(readFile(t, image))
		m := mounted(t, image)
		if err := os.Truncate(image, cut); err != nil {
			t.Fatal(err)
		}
		got, err := readFrom(t, m.path("memory.raw"))
		if !errors.Is(err, syscall.EIO) {
			t.Errorf("cut to %d bytes: %v, want EIO", cut, err)
		}
		if int64(len(got)) < cut&^4095 || !bytes.Equal(got, want[:len(got)]) {
			t.Errorf("cut to %d bytes: %d bytes are read, and as they were: %t", cut, len(got), bytes.Equal(got, want[:len(got)]))
		}
		m.unmount()
	}
}

// TestMemoryRawOnABrokenDisk reads memory.raw of an image with some sectors that cannot be read. Pages in these
// sectors are I/O errors, and all other pages read as they are.
func TestMemoryRawOnABrokenDisk(t *testing.T) {
	t.Parallel()
	image, _ := demo(t)
	want := []byte(readFile(t, image))
	bad := []sparse.Run{{Off: 3 << 20, Len: 512}, {Off: 40<<20 + 4096, Len: 9000}}
	path, disk := brokenFolder(t, image, bad...)
	m := mounted(t, path)
	disk.Break(true)
	f, err := os.Open(m.path("memory.raw"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for off := 0; off < len(want); {
		buf := make([]byte, min(1<<20, len(want)-off))
		n, err := f.ReadAt(buf, int64(off))
		if !bytes.Equal(buf[:n], want[off:off+n]) {
			t.Fatalf("other bytes at %#x", off)
		}
		if off += n; n == len(buf) {
			continue
		}
		if !errors.Is(err, syscall.EIO) || !overlaps(bad, int64(off)) {
			t.Fatalf("at %#x: %v", off, err)
		}
		off = off&^4095 + 4096
	}
	if disk.Failed() == 0 {
		t.Error("the disk was never read where it is broken")
	}
	f.Close()
	m.unmount()
}

// overlaps reports whether the page at off holds a byte of the runs.
func overlaps(runs []sparse.Run, off int64) bool {
	page := off &^ 4095
	for _, r := range runs {
		if page < r.End() && page+4096 > r.Off {
			return true
		}
	}
	return false
}

// BenchmarkMemoryRaw reads memory.raw of an image of 1 GiB. Each reading has its own mount, so that the kernel has
// nothing of it in its cache. The image itself is in the kernel's cache. cpu-ms is the processor time of the mount, with its start.
func BenchmarkMemoryRaw(b *testing.B) {
	const size = 1 << 30
	image := filepath.Join(b.TempDir(), "large.raw")
	if r := memlens(b, "demo", "--write", image); r.code != 0 {
		b.Fatal(r.stderr)
	}
	fill(b, image, size)
	b.SetBytes(size)
	var cpu time.Duration
	buf := make([]byte, 1<<20)
	for b.Loop() {
		b.StopTimer()
		m := mounted(b, image)
		f, err := os.Open(m.path("memory.raw"))
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, buf)
		b.StopTimer()
		if n != size || err != nil {
			b.Fatalf("%d bytes, %v", n, err)
		}
		f.Close()
		m.unmount()
		cpu += m.cmd.ProcessState.UserTime() + m.cmd.ProcessState.SystemTime()
		b.StartTimer()
	}
	b.ReportMetric(float64(cpu.Milliseconds())/float64(b.N), "cpu-ms/op")
}

// fill appends bytes that are not zero to a file until it has the given size.
func fill(b *testing.B, name string, size int64) {
	b.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	at, err := f.Seek(0, io.SeekEnd)
	chunk := random(1 << 20)
	for ; err == nil && at < size; at += int64(len(chunk)) {
		_, err = f.Write(chunk[:min(int64(len(chunk)), size-at)])
	}
	if err != nil {
		b.Fatal(err)
	}
}
