package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"memlens/memimage/synth/corpus"
)

// TestTruncatedImages cuts an image off at several points. The rest of the system must be shown, or a sentence must
// say what is missing. Everything that is shown must be as in the whole image, except the bytes behind the cut.
func TestTruncatedImages(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	image, _ := demo(t)
	sizes := []int64{1, 4095, 4096, 1 << 20, 3<<20 + 77, 6 << 20, 12 << 20, 13<<20 + 1, 20 << 20, 40 << 20, 60 << 20, 64<<20 - 1}
	if raceEnabled {
		sizes = []int64{4095, 13<<20 + 1, 60 << 20}
	}
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%#x", size), func(t *testing.T) {
			cut := filepath.Join(t.TempDir(), "cut.raw")
			shell(t, ".", fmt.Sprintf("head -c %d %s > %s", size, image, cut))
			r := memlens(t, "info", cut)
			if r.code != 0 {
				refused(t, []string{"cut.raw"}, "info", cut)
				return
			}
			whole, m := mounted(t, image), mounted(t, cut)
			shell(t, m.dir, "cat README.txt image.json processes.csv scanned/processes.csv */info.json */pages.csv > "+os.DevNull)
			for _, row := range table(t, m.path("processes.csv")) {
				name := filepath.Join(row["directory"], "procexedump.exe")
				checkPart(t, m.path(name), whole.path(name))
			}
			m.unmount()
			whole.unmount()
		})
	}
}

// checkPart checks that every sector of a file is equal to the sector of another file, or lies in a hole of the file and reads as zeros.
func checkPart(t *testing.T, part, whole string) {
	t.Helper()
	got, err := os.ReadFile(part)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err != nil {
		t.Error(err)
		return
	}
	want := readFile(t, whole)
	if len(got) != len(want) {
		t.Errorf("%s has %d bytes, want %d", part, len(got), len(want))
		return
	}
	holes := holesOf(t, part)
	const sector = 512 // in the layout of a file, pages need not be aligned
	for off := 0; off < len(got); off += sector {
		end := min(off+sector, len(got))
		g := string(got[off:end])
		if g == want[off:end] {
			continue
		}
		if strings.Trim(g, "\x00") != "" || !holes(int64(off)) {
			t.Errorf("%s: the bytes at %#x are not those of the whole image, and the file has no hole there", part, off)
			return
		}
	}
}

// holesOf returns a function that reports whether an offset lies in a hole of a file, as lseek shows the holes.
func holesOf(t *testing.T, name string) func(int64) bool {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	type hole struct{ from, to int64 }
	var list []hole
	for at := int64(0); ; {
		from, err := f.Seek(at, unix.SEEK_HOLE)
		if errors.Is(err, syscall.ENXIO) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		to, err := f.Seek(from, unix.SEEK_DATA)
		if err != nil {
			list = append(list, hole{from, math.MaxInt64})
			break
		}
		list, at = append(list, hole{from, to}), to
	}
	return func(off int64) bool {
		return slices.ContainsFunc(list, func(h hole) bool { return h.from <= off && off < h.to })
	}
}

// TestImageThatShrinksWhileMounted: bytes that are gone must give an I/O error, and the mount must go on.
func TestImageThatShrinksWhileMounted(t *testing.T) {
	image, _ := demo(t)
	m := mounted(t, image)
	f, err := os.Open(m.path("memory.raw"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	if err := os.Truncate(image, 1<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadAt(page, 32<<20); !errors.Is(err, syscall.EIO) {
		t.Errorf("reading what is gone: %v, want EIO", err)
	}
	if _, err := f.ReadAt(page, 64<<10); err != nil {
		t.Errorf("reading what is left: %v", err)
	}
	if _, err := os.ReadFile(m.path("3256-cmd.exe", "procexedump.exe")); !errors.Is(err, syscall.EIO) && !errors.Is(err, syscall.ENOENT) {
		t.Errorf("reading an executable that is gone: %v", err)
	}
	if _, err := os.ReadDir(m.dir); err != nil {
		t.Errorf("the mount is dead: %v", err)
	}
	eventually(t, "the shrinking is reported", func() bool { return strings.Contains(m.log.String(), "unexpected EOF") })
	f.Close()
	m.unmount()
}

// TestReferencesThatVanish removes, changes and cuts off references while the image is mounted.
func TestReferencesThatVanish(t *testing.T) {
	image, originals := demo(t)
	single := writeFile(t, "single.exe", random(100_000))
	m := mounted(t, image, "--reference", originals, "--reference", single)
	diff := func(name string) string { return m.path("3256-cmd.exe", "diff-vs", name+".bmp") }
	for _, name := range []string{"cmd.exe", "single.exe"} {
		if _, err := os.Stat(diff(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Remove(single), os.Truncate(filepath.Join(originals, "cmd.exe"), 100), os.Remove(filepath.Join(originals, "notepad.exe"))); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{diff("single.exe"), diff("notepad.exe")} {
		if _, err := os.ReadFile(path); !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if b, err := os.ReadFile(diff("cmd.exe")); err == nil && len(b) == 0 {
		t.Error("the picture of a reference that was cut off is empty")
	}
	if _, err := os.ReadFile(diff("explorer.exe")); err != nil {
		t.Errorf("a reference that is still there: %v", err)
	}
	tool(t, "ls", "-l", m.path("3256-cmd.exe"))
	m.unmount()
}

// TestReferenceFolderThatVanishes: everything else must stay as it is.
func TestReferenceFolderThatVanishes(t *testing.T) {
	image, originals := demo(t)
	m := mounted(t, image, "--reference", originals)
	if err := os.RemoveAll(originals); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(m.path("3256-cmd.exe", "diff-vs")); err == nil && len(entries) > 0 {
		t.Errorf("diff-vs lists %v", entries)
	}
	tool(t, "md5sum", m.path("3256-cmd.exe", "procexedump.exe"))
	m.unmount()
}
