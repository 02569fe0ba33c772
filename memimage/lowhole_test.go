package memimage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/sparse"

	"memlens/memimage/synth/corpus"
)

// cutLow writes a raw image with the ranges of memory one behind the other that lie from start to low and from 1 MiB on.
func cutLow(t *testing.T, memory []byte, start, low int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "memory.raw")
	if err := os.WriteFile(path, append(bytes.Clone(memory[start:low]), memory[1<<20:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// systems are images of systems by their names: a built image, and the images of the corpus that are present.
func systems(t *testing.T) map[string][]byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "built.raw")
	if err := buildMemory(t, builtSystem(profileNamed(t, "Win10x64_19041"))).WriteFile(path); err != nil {
		t.Fatal(err)
	}
	paths := map[string]string{"built": path}
	if !testing.Short() {
		if _, err := os.Stat("../../shared/images"); err == nil {
			for _, name := range []string{"WinXPSP2x86PAE", "Win7SP1x64"} {
				paths[name] = corpus.Unpack(t, name+".raw")
			}
		}
	}
	out := map[string][]byte{}
	for name, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = data
	}
	return out
}

// TestFilesWithoutTheLowHole has files that leave out the memory that firmware keeps below 1 MiB. All memory that is
// served must lie where it lay.
func TestFilesWithoutTheLowHole(t *testing.T) {
	corpus.Long(t)
	for name, memory := range systems(t) {
		for _, c := range []struct{ start, low int }{{0, 0x9f000}, {0x1000, 0xa0000}} {
			t.Run(fmt.Sprintf("%s, %#x to %#x", name, c.start, c.low), func(t *testing.T) {
				im, err := Open(context.Background(), cutLow(t, memory, c.start, c.low), Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer im.Close()
				if notes := strings.Join(im.Container.Notes, "\n"); !strings.Contains(notes, "It is assumed that it has only the ranges") || !strings.Contains(notes, "--memmap") {
					t.Errorf("notes %q", im.Container.Notes)
				}
				checkPlaced(t, im.Container.Memory, memory, c.low)
			})
		}
	}
}

// checkPlaced compares memory with the original: all of it from 1 MiB on, and below low the bytes that are present.
func checkPlaced(t *testing.T, got *sparse.Reader, want []byte, low int) {
	t.Helper()
	for r, err := range sparse.Runs(got) {
		if err != nil || r.Err != nil {
			continue
		}
		b := make([]byte, r.Len)
		if _, err := got.ReadAt(b, r.Off); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if r.End() > int64(len(want)) || !bytes.Equal(b, want[r.Off:r.End()]) || r.Off < 1<<20 && r.End() > int64(low) {
			t.Errorf("memory from %#x to %#x is at the wrong place", r.Off, r.End())
		}
	}
	if at, err := sparse.FirstHole(got, 1<<20, int64(len(want))-1<<20); err != nil {
		t.Errorf("memory is missing at %#x: %v", at, err)
	}
}

// TestFilesWithAnotherHole has a file that leaves out more. The error must say what to do.
func TestFilesWithAnotherHole(t *testing.T) {
	corpus.Long(t)
	memory := systems(t)["built"]
	_, err := Open(context.Background(), cutLow(t, memory, 0x1000, 0x58000), Options{})
	if err == nil || !strings.Contains(err.Error(), "--memmap") || !strings.Contains(err.Error(), `RESOURCEMAP\System Resources\Physical Memory`) {
		t.Errorf("%v", err)
	}
}

// TestFileWithoutBothHoles has a file without the firmware's memory below 1 MiB and without the hole below 4 GiB.
func TestFileWithoutBothHoles(t *testing.T) {
	const gap, start, low = 0xc0000000, 0x1000, 0x9f000
	path, built := dividedFile(t, gap, 4<<30+24<<20)
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.raw")
	out, err := os.Create(cut)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	const shift = 1<<20 - (low - start)
	for _, p := range []struct{ from, to, at int64 }{{start, low, 0}, {gap - 24<<20, info.Size(), gap - 24<<20 - shift}} {
		b := make([]byte, p.to-p.from)
		_, err1 := in.ReadAt(b, p.from)
		_, err2 := out.WriteAt(b, p.at)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
	}
	im, err := Open(context.Background(), cut, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if notes := strings.Join(im.Container.Notes, "\n"); !strings.Contains(notes, "0x100000000 ") || im.Container.Memory.Size() != built.Reader.Size() {
		t.Errorf("memory of %#x bytes, want %#x, notes %q", im.Container.Memory.Size(), built.Reader.Size(), im.Container.Notes)
	}
}
