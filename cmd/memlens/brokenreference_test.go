//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// TestBrokenDiskUnderReferences has references on a disk on which a part of cmd.exe cannot be read. Every file that
// is made from it is an I/O error, not a row that claims something. When the disk has healed, all is as with a sound disk.
func TestBrokenDiskUnderReferences(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	image, originals := demo(t)
	original := []byte(readFile(t, filepath.Join(originals, "cmd.exe")))
	whole := func(path string) string { return path }
	for _, c := range []struct {
		name string
		file func(t *testing.T) string // the file on the disk
		at   string                    // its path on the disk
		ref  func(path string) string  // the value of --reference for the file
	}{
		{"file in a folder", func(*testing.T) string { return filepath.Join(originals, "cmd.exe") }, "cmd.exe", filepath.Dir},
		{"folder that is a volume", func(*testing.T) string { return filepath.Join(originals, "cmd.exe") }, "WINDOWS/system32/cmd.exe",
			func(path string) string { return filepath.Join(path, "../../..") }},
		{"disk image", func(t *testing.T) string { return filepath.Join(filepath.Dir(demoDisk(t)), "disk.raw") }, "disk.raw", whole},
		{"memory image", func(*testing.T) string { return image }, "demo.raw", whole},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := c.file(t)
			data := []byte(readFile(t, file))
			at := -1
			for from := 0x400; at < 0 && from+512 <= len(original); from += 512 {
				at = bytes.Index(data, original[from:from+512])
			}
			if at < 0 {
				t.Fatal("nothing of cmd.exe is in the file as it is")
			}
			path, disk := brokenTree(t, file, c.at, sparse.Run{Off: int64(at), Len: 512})
			reference := c.ref(path)
			sound, m := mounted(t, image, "--reference", reference), mounted(t, image, "--reference", reference)
			want := madeOfReferences(t, sound)
			if len(want) < 2 {
				t.Fatalf("of the sound disk, there are %d files", len(want))
			}
			disk.Break(true)
			for name, text := range madeOfReferences(t, m) {
				said := strings.HasPrefix(text, "error: ") || name == "similar.csv" && strings.Contains(text, "not read: ") // in its row
				if !said || !strings.Contains(text, syscall.EIO.Error()) {
					t.Errorf("%s: %.300s, want an I/O error", name, text)
				}
			}
			disk.Break(false)
			eventually(t, "the references are read again", func() bool {
				for _, text := range madeOfReferences(t, m) {
					if strings.HasPrefix(text, "error: ") {
						return false
					}
				}
				return true
			})
			for name, text := range madeOfReferences(t, m) {
				if text != want[name] {
					t.Errorf("%s is not as with a sound disk: %.300s", name, text)
				}
			}
		})
	}
}

// TestDiskWithAMissingPiece has a disk image in which the piece with cmd.exe is missing. The tree reports that for
// cmd.exe, and compares the other modules.
func TestDiskWithAMissingPiece(t *testing.T) {
	t.Parallel()
	image, originals := demo(t)
	disk := filepath.Join(filepath.Dir(demoDisk(t)), "disk.raw")
	data, original := []byte(readFile(t, disk)), []byte(readFile(t, filepath.Join(originals, "cmd.exe")))
	at := bytes.Index(data, original[0x1000:0x2000])
	if at < 0 {
		t.Fatal("cmd.exe is not on the disk")
	}
	end := at + 0x1000
	for end < at+len(original)-0x1000 && data[end] == original[end-at+0x1000] {
		end++
	}
	// The pieces have a size at which one holds nothing but a part of cmd.exe.
	piece := (end - at) / 2
	missing := (at + piece - 1) / piece
	dir := t.TempDir()
	for i := 0; i*piece < len(data); i++ {
		if i != missing {
			name := filepath.Join(dir, fmt.Sprintf("disk.%03d", i+1))
			if err := os.WriteFile(name, data[i*piece:min(len(data), (i+1)*piece)], 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	m := mounted(t, image, "--reference", filepath.Join(dir, "disk.001"))
	said, others := "", 0
	for _, row := range table(t, m.path("3256-cmd.exe", "compared.csv")) {
		if strings.HasSuffix(row["path"], "cmd.exe") {
			said = row["result"]
		} else if row["bytes"] != "" {
			others++
		}
	}
	if want := "not compared: the reference is damaged: volume: the file system is damaged: a part of the disk is not in the image"; !strings.HasPrefix(said, want) || others == 0 {
		t.Errorf("of cmd.exe: %q; others compared: %d", said, others)
	}
}

// madeOfReferences reads the files that are made from cmd.exe's references. For a file that cannot be read it returns the error.
func madeOfReferences(t *testing.T, m *mount) map[string]string {
	t.Helper()
	out := map[string]string{}
	names, err := filepath.Glob(m.path("3256-cmd.exe", "diff-vs-restored", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names, m.path("3256-cmd.exe", "compared.csv"), m.path("3256-cmd.exe", "similar.csv"), m.path("3256-cmd.exe", "blink.gif")) {
		text, err := os.ReadFile(name)
		if err != nil {
			text = []byte("error: " + errors.Unwrap(err).Error())
		}
		out[filepath.Base(name)] = string(text)
	}
	return out
}
