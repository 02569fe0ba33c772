package main

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// written counts the bytes that are written to it.
type written struct {
	data  []byte
	bytes int
}

func (w *written) WriteAt(p []byte, off int64) (int, error) {
	w.bytes += len(p)
	return copy(w.data[off:], p), nil
}

func TestZerosStayHoles(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for _, off := range []int64{0, 1, 4095, 5000} {
		data := make([]byte, 40*blockSize)
		for range 5 {
			data[r.IntN(len(data))] = 1
		}
		w := &written{data: make([]byte, off+int64(len(data)))}
		if err := writeSparse(w, data, off); err != nil || !bytes.Equal(w.data[off:], data) {
			t.Errorf("at %d: other bytes, error %v", off, err)
		}
		if w.bytes > 5*blockSize {
			t.Errorf("at %d: %d bytes are written for 5 that are no zeros", off, w.bytes)
		}
	}
}

// failingData is a file of 64 KiB that cannot be read from its middle on.
type failingData struct{}

var errDisk = &sparse.ReadError{Err: errors.New("the disk")}

func (failingData) ReadAt(p []byte, off int64) (int, error) {
	n := int(min(int64(len(p)), max(0, 1<<15-off)))
	for i := range p[:n] {
		p[i] = 1
	}
	if n < len(p) {
		return n, errDisk
	}
	return n, nil
}

func (failingData) NextData(off int64) (int64, error) {
	if off >= 1<<15 {
		return 0, errDisk
	}
	return off, nil
}

func (failingData) NextHole(int64) (int64, error) { return 1 << 15, nil }

// TestWhatFollowsAFailedReadIsNoHole copies a file whose rest is not known after a failed read.
func TestWhatFollowsAFailedReadIsNoHole(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	e := &extraction{bars: linesOnly(io.Discard)}
	if err := e.copyData(t.Context(), out, failingData{}, 1<<16); !sparse.Failed(err) {
		t.Errorf("copied: %v", err)
	}
}

// TestNoRoom copies more than there is room for.
func TestNoRoom(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	if err := os.Mkdir(out, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, ok := freeSpace(out); !ok {
		t.Skip("this system does not say what is free")
	}
	e := &extraction{out: out, present: 1 << 60}
	if err := e.checkSpace(); err == nil || !strings.Contains(err.Error(), "need 1099511627776 MiB") {
		t.Errorf("error %v", err)
	}
	if e.present = 1; e.checkSpace() != nil {
		t.Error("there is no room for a byte")
	}
}

// TestExtractSaysWhatItLeavesOut copies without memory.raw, and with holes.
func TestExtractSaysWhatItLeavesOut(t *testing.T) {
	corpus.Long(t)
	image, _ := demo(t)
	out := filepath.Join(t.TempDir(), "out")
	if got := succeeds(t, "extract", image, "--out", out, "--pid", "2284"); !strings.Contains(got, "left out: ") || !strings.Contains(got, "memory.raw (copied with --memory)") || !strings.Contains(got, "minidump.dmp of each process (copied with --what minidumps)") {
		t.Errorf("extract says %q", got)
	}
	f, err := os.Open(filepath.Join(out, "2284-notepad.exe", "procmemdump.exe"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	holes := int64(0)
	for off := int64(0); off < info.Size(); off += blockSize {
		holes += min(sparse.FileZeros(f, off, info.Size()), blockSize)
	}
	if holes == 0 {
		t.Error("the copy has no holes")
	}
}

// TestExtractMinidumps copies the memory of a process when it is asked for, and no other file of the process.
func TestExtractMinidumps(t *testing.T) {
	image, _ := demo(t)
	out := filepath.Join(t.TempDir(), "out")
	if got := succeeds(t, "extract", image, "--out", out, "--pid", "2284", "--what", "minidumps"); strings.Contains(got, "minidump.dmp") {
		t.Errorf("extract says %q", got)
	}
	files, err := filepath.Glob(filepath.Join(out, "2284-notepad.exe", "*"))
	if err != nil || len(files) != 1 || filepath.Base(files[0]) != "minidump.dmp" {
		t.Fatal(files, err)
	}
	if b, err := os.ReadFile(files[0]); err != nil || !strings.HasPrefix(string(b), "MDMP") {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

// TestFolderOfTheUserStays: where the files do not fit, a folder that was there stays, and so does a link to one. A folder that
// the program made does not stay.
func TestFolderOfTheUserStays(t *testing.T) {
	corpus.Long(t)
	needMounts(t)
	image, _ := demo(t)
	disk := t.TempDir()
	for _, name := range []string{"link", "folder", "new"} {
		cmd := program(t, "extract", image, "--out", filepath.Join(disk, name))
		ownMounts(t, cmd, `mount -t tmpfs -o size=1M none "$DISK" && mkdir "$DISK/folder" && ln -s folder "$DISK/link" && "$0" "$@"; ls "$DISK"`)
		cmd.Env = append(cmd.Env, "DISK="+disk)
		if r := finish(t, cmd); r.stdout != "folder\nlink\n" || !strings.Contains(r.stderr, "are free there") {
			t.Errorf("--out %s leaves %q and says %q", name, r.stdout, r.stderr)
		}
	}
}
