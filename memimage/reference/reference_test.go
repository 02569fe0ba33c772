package reference

import (
	"bytes"
	"context"
	"errors"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"memlens/memimage/synth"
)

func folderOf(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t *testing.T, paths ...string) *Set {
	t.Helper()
	s, err := Open(context.Background(), paths, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func namesOf(files []File) (out []string) {
	for _, f := range files {
		out = append(out, f.Name)
	}
	return out
}

// TestListed has files and two folders: names are unique, and each file is found by its listed name, in upper or
// lower case.
func TestListed(t *testing.T) {
	a, b := folderOf(t, "NTDLL.dll", "other.dll"), folderOf(t, "ntdll.dll", "NTDLL.dll", "third.dll")
	s := open(t, filepath.Join(b, "third.dll"), a, b)
	of := Module{Names: []string{"ntdll.dll", "", "ntdll.dll"}}
	listed, err := s.Listed(of)
	if want := []string{"third.dll", "NTDLL.dll", "NTDLL.dll~2", "ntdll.dll"}; err != nil || !slices.Equal(namesOf(listed), want) {
		t.Fatalf("%v, %v, want %v", namesOf(listed), err, want)
	}
	for _, f := range listed {
		found, err := s.Lookup(of, f.Name)
		if err != nil || found != f {
			t.Errorf("%s: %+v, %v", f.Name, found, err)
		}
	}
	if f, err := s.Lookup(of, "other.dll"); err != nil || f.Path != filepath.Join(a, "other.dll") {
		t.Errorf("a file that is not listed: %+v, %v", f, err)
	}
	for _, name := range []string{"", ".", "..", "no.dll", "../" + filepath.Base(a) + "/other.dll"} {
		if _, err := s.Lookup(of, name); !errors.Is(err, iofs.ErrNotExist) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if best, ok, err := s.Best(of); !ok || err != nil || best.Path != filepath.Join(a, "NTDLL.dll") {
		t.Errorf("the best is %+v, %v", best, err)
	}
	if _, ok, _ := s.Best(Module{Names: []string{"third.exe"}}); ok {
		t.Error("a file that was given by itself is no module's own")
	}
}

// TestMemory takes the files that are restored from a memory image, and compares them with the files of its disk.
func TestMemory(t *testing.T) {
	system := synth.Demo()
	system.RAM = 16 << 20
	mem, err := synth.Build(system)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "clean.raw")
	if err := mem.WriteFile(name); err != nil {
		t.Fatal(err)
	}
	s := open(t, name)
	if !s.HasPaths() || !s.HasPlaces() || len(all(s)) != 0 {
		t.Errorf("it is taken for a file: %v", namesOf(all(s)))
	}
	for _, c := range []struct {
		Module
		match Match
	}{
		{Module{Names: []string{"CMD.EXE"}, Path: `\Device\HarddiskVolume2\windows\SYSTEM32\cmd.exe`, Program: `\Device\HarddiskVolume2\windows\SYSTEM32\cmd.exe`}, SamePath},
		{Module{Names: []string{"cmd.exe"}, Path: `\Users\cmd.exe`}, SameName},
		{Module{Names: []string{"cmd.exe"}}, SameName},
		{Module{Names: []string{"ntdll.dll"}, Path: `C:\WINDOWS\system32\ntdll.dll`, Program: `C:\WINDOWS\system32\lsass.exe`}, SamePath},
	} {
		f, ok, err := s.Best(c.Module)
		if err != nil || !ok || f.Match != c.match {
			t.Fatalf("%+v: %+v, %v", c.Module, f, err)
		}
		state, err := f.State()
		if err != nil || !state.Derived {
			t.Errorf("%s: %+v, %v", f.Path, state, err)
		}
		checkRestored(t, f, synth.DemoOriginals()[f.Name], state.Size)
	}
	if _, ok, _ := s.Best(Module{Names: []string{"setup.exe"}, Path: `\Documents and Settings\user\setup.exe`}); ok {
		t.Error("a process that is in no list has a reference")
	}
}

// checkRestored checks that a file is as it was on disk, except for missing bytes.
func checkRestored(t *testing.T, f File, original []byte, size int64) {
	t.Helper()
	c, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Size() != size || size != int64(len(original)) {
		t.Fatalf("%s has %d bytes, says %d, and had %d on disk", f.Path, c.Size(), size, len(original))
	}
	there := 0
	for off := int64(0); off < size; off += 512 {
		var piece [512]byte
		if n, err := c.Strict.ReadAt(piece[:], off); err != nil && n < 512 {
			continue
		}
		there++
		if !bytes.Equal(piece[:], original[off:off+512]) {
			t.Errorf("%s differs at %#x", f.Path, off)
		}
	}
	if there == 0 {
		t.Errorf("nothing of %s is there", f.Path)
	}
}

// TestLargeFiles checks that a large file without memory in it is a file to compare with.
func TestLargeFiles(t *testing.T) {
	name := filepath.Join(t.TempDir(), "large.bin")
	if err := os.WriteFile(name, bytes.Repeat([]byte("text"), 1<<19), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, name)
	if !slices.Equal(namesOf(all(s)), []string{"large.bin"}) || s.HasPlaces() {
		t.Errorf("%v", namesOf(all(s)))
	}
	if len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "large.bin is compared with every executable as it is, as one file") {
		t.Errorf("nothing is said of a file that may have been meant for an image: %q", s.Notes)
	}
	if _, err := Open(context.Background(), []string{name + ".no"}, Options{}); err == nil {
		t.Error("what is not there opens")
	}
	if _, err := Open(context.Background(), []string{os.DevNull}, Options{}); err == nil {
		t.Error("a device opens")
	}
}

// TestDumpAsReference takes the files that are restored from the dump of a process: their paths are from the dump's
// own lists.
func TestDumpAsReference(t *testing.T) {
	packed, err := os.Open("../../testdata/minidump/small.dmp.xz")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	s := open(t, packed.Name())
	f, ok, err := s.Best(Module{Names: []string{"small.exe"}, Claimed: `Z:\tmp\small-dump\small.exe`, Program: `Z:\tmp\small-dump\small.exe`})
	if err != nil || !ok || f.Match != ClaimedPath {
		t.Fatalf("%+v, %v, %v", f, ok, err)
	}
	original, err := os.ReadFile("../../testdata/minidump/small.exe")
	if err != nil {
		t.Fatal(err)
	}
	checkRestored(t, f, original, int64(len(original)))
	if _, ok, err := s.Best(Module{Names: []string{"tcpip.sys"}, Path: `\SystemRoot\system32\drivers\tcpip.sys`}); ok || err != nil {
		t.Errorf("a dump of a process has a driver: %v", err)
	}
}

// all are the references that everything is compared with.
func all(s *Set) []File {
	out, _ := s.All()
	return out
}
