package fs

import (
	"context"
	"flag"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"memlens/memimage"
	"memlens/memimage/reference"
	"memlens/memimage/synth"
)

var update = flag.Bool("update", false, "write the golden files anew")

// demo builds the demo system, with its originals in a folder.
func demo(t testing.TB) (*FS, *synth.Memory) {
	t.Helper()
	dir := folder(t, synth.DemoOriginals())
	refs := references(t, dir)
	mem := demoMemory(t)
	return tree(t, mem, Options{References: refs}), mem
}

// demoMemory builds the demo system with as little memory as it takes.
func demoMemory(t testing.TB) *synth.Memory {
	t.Helper()
	system := synth.Demo()
	system.RAM = 16 << 20
	mem, err := synth.Build(system)
	if err != nil {
		t.Fatal(err)
	}
	return mem
}

// folder makes a folder of files.
func folder(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func references(t testing.TB, paths ...string) *reference.Set {
	t.Helper()
	refs, err := reference.Open(context.Background(), paths, reference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return refs
}

func tree(t testing.TB, mem *synth.Memory, o Options) *FS {
	t.Helper()
	im, err := memimage.OpenMemory(context.Background(), "demo.raw", mem.Reader, memimage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return New(im, o)
}

func read(t testing.TB, f *FS, name string) string {
	t.Helper()
	b, err := iofs.ReadFile(f, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestFileSystem checks the tree of some of the demo's processes, one of each kind, against the contract of a file
// system.
func TestFileSystem(t *testing.T) {
	if testing.Short() {
		t.Skip("reads every byte several times")
	}
	system := synth.Demo()
	system.RAM = 16 << 20
	system.Processes = slices.DeleteFunc(system.Processes, func(p synth.Process) bool {
		return !slices.Contains([]uint64{3256, 2284, 1724, 2976}, p.PID) // sound, in all states, with a library that is changed, in no list
	})
	mem, err := synth.Build(system)
	if err != nil {
		t.Fatal(err)
	}
	f := tree(t, mem, Options{References: references(t, folder(t, synth.DemoOriginals()))})
	if err := fstest.TestFS(f, "README.txt", "image.json", "memory.raw", "processes.csv", "scanned/processes.csv",
		"3256-cmd.exe/procmemdump.exe", "3256-cmd.exe/procexedump.exe", "3256-cmd.exe/colorized.bmp", "3256-cmd.exe/info.json",
		"3256-cmd.exe/pages.csv", "3256-cmd.exe/restored.exe", "3256-cmd.exe/diff-vs/cmd.exe.bmp"); err != nil {
		t.Fatal(err)
	}
}

func TestListing(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := folder(t, synth.DemoOriginals())
	t.Chdir(dir) // compared.csv has room for the path of a reference, which must not depend on the folder for temporary files
	f := tree(t, demoMemory(t), Options{References: references(t, ".")})
	var out strings.Builder
	err = iofs.WalkDir(f, ".", func(path string, d iofs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		attr := info.Sys().(*Attr)
		if entry, ok := d.(Inoer); ok && entry.Ino() != attr.Ino {
			t.Errorf("%s: inode %d in the listing, %d in its attributes", path, entry.Ino(), attr.Ino)
		}
		out.WriteString(iofs.FormatFileInfo(info) + " " + path + "\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(here)
	golden(t, "demo-listing.txt", out.String())
}

// golden compares with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("..", "testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (run with -update after looking):\n%s", path, got)
	}
}

func TestTextsAreAsTheyWere(t *testing.T) {
	f, _ := demo(t)
	for _, name := range []string{"README.txt", "image.json", "processes.csv", "3256-cmd.exe/info.json", "3256-cmd.exe/pages.csv", "3256-cmd.exe/restored.csv"} {
		golden(t, "demo-"+filepath.Base(name), read(t, f, name))
	}
}

func TestSizesAreExactBeforeReading(t *testing.T) {
	if testing.Short() {
		t.Skip("reads every byte, one file after the other, as a copy of the tree does")
	}
	f, _ := demo(t)
	iofs.WalkDir(f, ".", func(path string, d iofs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			t.Fatal(err)
		}
		file, err := f.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if n, err := io.Copy(io.Discard, file); n != info.Size() || err != nil {
			t.Errorf("%s has %d bytes, says %d (%v)", path, n, info.Size(), err)
		}
		return nil
	})
}

func TestDiffOpensWhatIsNotListed(t *testing.T) {
	f, _ := demo(t)
	entries, err := iofs.ReadDir(f, "3256-cmd.exe/diff-vs")
	if err != nil || len(entries) != len(diffKinds) {
		t.Fatalf("diff-vs lists %v (%v), want the files about cmd.exe alone", entries, err)
	}
	for _, kind := range diffKinds {
		if _, err := iofs.Stat(f, "3256-cmd.exe/diff-vs/explorer.exe"+kind.suffix); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"none.exe.bmp", "explorer.exe", "...bmp", ".bmp"} {
		if _, err := iofs.Stat(f, "3256-cmd.exe/diff-vs/"+name); !isNotExist(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func isNotExist(err error) bool { return err != nil && os.IsNotExist(err) }
