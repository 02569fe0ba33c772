package format

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"memlens/memimage/synth/corpus"
)

func isSplitZip(name string, data []byte) bool {
	_, err := Open(newMemSource(name, data), Options{})
	var not *NotMemoryError
	return errors.As(err, &not) && not.What == splitZip
}

// lastZipPart returns the last part of an archive in as many parts: the end of the file, and the directory.
func lastZipPart(t testing.TB, parts uint16) []byte {
	data := packZip(t, zipEntry{"a.raw", testPages(0x1000, 40), zip.Store})
	data = data[len(data)-0x8000:]
	end := bytes.LastIndex(data, []byte("PK\x05\x06"))
	binary.LittleEndian.PutUint16(data[end+4:], parts-1)
	binary.LittleEndian.PutUint16(data[end+6:], parts-1)
	return data
}

func TestSplitZipIsNamed(t *testing.T) {
	first := append([]byte("PK\x07\x08"), packZip(t, zipEntry{"a.raw", testPages(0x1000, 40), zip.Store})...)[:0x8000]
	for _, c := range []struct {
		name string
		data []byte
		want bool
	}{
		{"a.z01", first, true},
		{"a.zip", lastZipPart(t, 4), true},
		{"A.ZIP", lastZipPart(t, 2), true},
		{"a.zip", lastZipPart(t, 1), false},
		{"a.raw", lastZipPart(t, 4), false}, // memory may end so by chance
		{"a.zip", append(lastZipPart(t, 4), 0), false},
	} {
		if got := isSplitZip(c.name, c.data); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestSplitZipOfTheTool has the parts that zip makes: no part alone is taken for memory.
func TestSplitZipOfTheTool(t *testing.T) {
	tool(t, "zip")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.lime"), writeLiME(testMemory()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("zip", "-q", "-0", "-s", "64k", "a.zip", "a.lime")
	cmd.Dir = dir
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.z01", "a.zip"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !isSplitZip(name, data) {
			t.Errorf("%s is not known as a part", name)
		}
	}
}

func FuzzSplitZip(f *testing.F) {
	f.Add(lastZipPart(f, 4))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<20 {
			return
		}
		if im, err := refuseSplitZip(newInput(newMemSource("fuzz.zip", data), Options{})); im != nil || err == nil {
			t.Errorf("%v, %v", im, err)
		}
	})
}

// TestZipWithoutDirectoryIsHeldToItsChecksum cuts the directory off an archive. A whole file raises no doubt. A file
// that unpacks to its end with other bytes raises a doubt.
func TestZipWithoutDirectoryIsHeldToItsChecksum(t *testing.T) {
	corpus.Long(t)
	lime := writeLiME([]run{{0x1000, testPages(0x1000, 0x20)}})
	whole := packZip(t, zipEntry{"a.lime", lime, zip.Deflate})
	data := whole[:bytes.LastIndex(whole, []byte("PK\x01\x02"))]
	open := func() []string {
		im, err := Open(newMemSource("a.zip", data), Options{SpoolDir: t.TempDir()})
		if err != nil {
			return []string{err.Error()}
		}
		defer im.Close()
		got := make([]byte, 0x20*pageSize)
		if n, _ := im.Memory.ReadAt(got, 0x1000); n == len(got) && bytes.Equal(got, lime[limeHeader:]) {
			return im.Doubts
		}
		return append(im.Doubts, "changed")
	}
	if doubts := open(); len(doubts) > 0 {
		t.Errorf("whole: %q", doubts)
	}
	for at := 200; at < len(data)-100; at += len(data) / 200 {
		data[at] ^= 4
		if doubts := open(); len(doubts) == 1 && doubts[0] == "changed" {
			t.Errorf("changed at %#x, and nothing says so", at)
		}
		data[at] ^= 4
	}
}
