package fs

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"memlens/memimage"

	"memlens/memimage/synth/corpus"
)

// dumpFolder has a minidump that Wine wrote of a small program, and the program. Its script says how.
const dumpFolder = "../testdata/minidump"

// dumped is the tree of that minidump.
func dumped(t testing.TB, o Options) *FS {
	t.Helper()
	path := filepath.Join(t.TempDir(), "small.dmp")
	if err := os.WriteFile(path, dumpBytes(t), 0o644); err != nil {
		t.Fatal(err)
	}
	im, err := memimage.Open(context.Background(), path, memimage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { im.Close() })
	return New(im, o)
}

// dumpBytes unpacks the minidump.
func dumpBytes(t testing.TB) []byte {
	t.Helper()
	return corpus.ReadXZ(t, filepath.Join(dumpFolder, "small.dmp.xz"))
}

// directory returns the one directory of a process.
func directory(t testing.TB, f *FS) string {
	t.Helper()
	found, err := iofs.Glob(f, "*-small.exe")
	if err != nil || len(found) != 1 {
		t.Fatalf("%q, %v", found, err)
	}
	return found[0]
}

// TestDumpRestored compares the recovered files of a process in a dump with the file on disk, and with the dump.
func TestDumpRestored(t *testing.T) {
	original, err := os.ReadFile(filepath.Join(dumpFolder, "small.exe"))
	if err != nil {
		t.Fatal(err)
	}
	f := dumped(t, Options{References: references(t, filepath.Join(dumpFolder, "small.exe"))})
	dir := directory(t, f)
	if read(t, f, dir+"/restored.exe") != string(original) {
		t.Error("restored.exe is not the program on disk")
	}
	if rows := read(t, f, dir+"/restored.csv"); strings.Contains(rows, ",true,exact,") || strings.Contains(rows, ",missing,") {
		t.Errorf("a dump proves no page to be the file's:\n%s", rows)
	}
	if diff := read(t, f, dir+"/diff-vs-restored/small.exe.json"); !strings.Contains(diff, `"original_digest_reached": true`) {
		t.Errorf("against the reference: %s", diff)
	}
	mem := f.image.Container.Process.Memory
	image := make([]byte, 0x7000)
	if _, err := mem.ReadAt(image, 0x140000000); err != nil {
		t.Fatal(err)
	}
	const headers, text = 0x188, 0x1000 // between them is the table of sections, which this layout changes
	if got := read(t, f, dir+"/procmemdump.exe"); got[:headers] != string(image[:headers]) || got[text:] != string(image[text:]) {
		t.Errorf("procmemdump.exe, %d bytes, is not what the dump has at the base", len(got))
	}
}

// TestDumpRegions reads each region of the dump: it has the bytes of the ranges, and zeros where there are none.
func TestDumpRegions(t *testing.T) {
	f := dumped(t, Options{})
	dir := directory(t, f)
	mem := f.image.Container.Process.Memory
	entries, err := iofs.ReadDir(f, dir+"/regions")
	if err != nil || len(entries) != 2 {
		t.Errorf("%d regions are listed that can be executed and are private, %v", len(entries), err)
	}
	for line := range strings.Lines(read(t, f, dir+"/regions.csv")) {
		name, _, _ := strings.Cut(line, ",")
		var first, last int64
		if n, _ := fmt.Sscanf(name, "%x-%x.bin", &first, &last); n != 2 {
			continue
		}
		got, there := read(t, f, dir+"/regions/"+name), 0
		for va := first; va < last; va += 4096 {
			var want [4096]byte
			n, err := mem.ReadAt(want[:], va)
			if got[va-first:va-first+4096] != string(want[:]) || n < 4096 && n > 0 && !errors.Is(err, io.EOF) {
				t.Fatalf("%s: the page at %#x is not that of the dump (%v)", name, va, err)
			}
			there += n
		}
		if len(got) != int(last-first+1) {
			t.Errorf("%s has %d bytes", name, len(got))
		}
	}
}

// TestDumpTexts compares the texts about the dump with files that were checked by eye.
func TestDumpTexts(t *testing.T) {
	f := dumped(t, Options{})
	dir := directory(t, f)
	modified := regexp.MustCompile(`"modified": "[^"]*"`)
	golden(t, "minidump/tree/image.json", modified.ReplaceAllString(read(t, f, "image.json"), `"modified": ""`))
	for _, name := range []string{"processes.csv", dir + "/info.json", dir + "/modules.csv", dir + "/regions.csv", dir + "/threads.csv"} {
		golden(t, "minidump/tree/"+filepath.Base(name), read(t, f, name))
	}
	readme := read(t, f, "README.txt")
	for text, want := range map[string]bool{"This is the process dump small.dmp": true, "threads.csv": true, "image.json says what is assumed": true,
		"drivers": true, "drivers/": false, "memory.raw": false, "scanned/": false, "modified.csv": false, "compressed (since": false} {
		if strings.Contains(readme, text) != want {
			t.Errorf("README.txt has %q: %v", text, !want)
		}
	}
}

// TestDumpListing lists all that there is: nothing of a system, and every file with its size before it is read.
func TestDumpListing(t *testing.T) {
	f := dumped(t, Options{})
	var out strings.Builder
	err := iofs.WalkDir(f, ".", func(path string, d iofs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(&out, path)
		if strings.Contains(path, "kernelbase") { // as others, and large
			return nil
		}
		b, err := iofs.ReadFile(f, path)
		if int64(len(b)) != info.Size() || err != nil {
			t.Errorf("%s has %d bytes, says %d (%v)", path, len(b), info.Size(), err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "minidump/tree/listing.txt", out.String())
	for _, name := range []string{"memory.raw", "drivers", "scanned", "drivers.csv"} {
		if _, err := iofs.Stat(f, name); !isNotExist(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDumpDamaged changes and cuts the dump in many places: a dump that can be opened can be walked, and nothing
// panics.
func TestDumpDamaged(t *testing.T) {
	corpus.Long(t)
	sound := dumpBytes(t)
	rng := rand.New(rand.NewPCG(15, 3))
	for i := range 24 {
		data := bytes.Clone(sound)
		switch {
		case i%8 == 0: // cut somewhere
			data = data[:rng.IntN(len(data))]
		default: // the streams are in the first bytes; the blocks that lead to the modules are in bytes that are not zero
			for range 1 + rng.IntN(6) {
				at := rng.IntN(0x2000)
				if i%2 == 0 {
					at = nonZero(data, rng.IntN(len(data)))
				}
				binary.LittleEndian.PutUint32(data[min(at, len(data)-4):], []uint32{0, 0xffffffff, 0x7fffffff, rng.Uint32()}[rng.IntN(4)])
			}
		}
		walkDamaged(t, i, data)
	}
}

// nonZero returns the next offset at which a file has another byte than zero.
func nonZero(data []byte, at int) int {
	for at < len(data)-4 && data[at] == 0 {
		at++
	}
	return at
}

// walkDamaged tries to open a damaged dump, and reads the texts and the program of each process.
func walkDamaged(t *testing.T, i int, data []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), fmt.Sprintf("%d.dmp", i))
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	im, err := memimage.Open(context.Background(), path, memimage.Options{})
	if err != nil {
		return
	}
	defer im.Close()
	f := New(im, Options{})
	err = iofs.WalkDir(f, ".", func(path string, d iofs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() > 1<<20 || strings.Contains(path, "/modules/") {
			return err
		}
		if b, err := iofs.ReadFile(f, path); err != nil || int64(len(b)) != info.Size() {
			return fmt.Errorf("%s has %d bytes, says %d: %w", path, len(b), info.Size(), err)
		}
		return nil
	})
	if err != nil {
		t.Errorf("dump %d: %v", i, err)
	}
}
