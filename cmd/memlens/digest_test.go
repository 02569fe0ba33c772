//go:build linux

package main

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sync/errgroup"

	"memlens/memimage/synth/corpus"
)

// references are the reference images with known output of Volatility 2.
var references = []string{"WinXPSP2x86", "WinXPSP2x86PAE", "WinXPSP3x86PAE", "Win2003SP2x86", "ReactOS0413x86",
	"Win7SP1x86PAE", "Win7SP1x64", "Win10x64_18362", "Win10x64_19041", "Win11x64_22000"}

// hugeDump is the size from which a file is digested only once: one process claims 2 GiB.
const hugeDump = 1 << 28

// expected is a recovered file of the tree, or a file that must not exist.
type expected struct {
	path string // from the root of the tree
	want *corpus.Digest
}

// gone reports whether Volatility stops at this file.
func (e expected) gone() bool { return e.want == nil || e.want.Error != "" || e.want.MD5 == "" }

// expectations returns the dumps of all processes of an image, at their places in a mount of the image.
func expectations(t *testing.T, m *mount, truth *corpus.Truth) []expected {
	t.Helper()
	dirs := map[string]string{}
	for _, in := range []string{".", "scanned"} {
		for _, row := range table(t, m.path(in, "processes.csv")) {
			dirs[row["eprocess_physical"]] = path.Join(in, row["directory"])
		}
	}
	if len(dirs) != len(truth.Processes) {
		t.Errorf("there are %d processes, want %d", len(dirs), len(truth.Processes))
	}
	var out []expected
	for _, p := range truth.Processes {
		dir, ok := dirs[p.OffsetP]
		if !ok {
			t.Errorf("process %d %q at %s is missing", p.PID, p.Name, p.OffsetP)
			continue
		}
		dumps := p.Dumps["volatility2"]
		if p.Volatility2.Exe != nil {
			dumps.Exe, dumps.Mem = p.Volatility2.Exe, p.Volatility2.Mem
		}
		out = append(out, expected{path.Join(dir, "procexedump.exe"), dumps.Exe}, expected{path.Join(dir, "procmemdump.exe"), dumps.Mem})
	}
	return out
}

// manyWays are the references whose dumps are read in several ways: one for each layout of page tables. The ways
// differ in their requests to the mount, not in the contents of the image.
var manyWays = []string{"WinXPSP2x86", "WinXPSP2x86PAE", "Win10x64_19041"}

// TestDigestsAreVolatilitys reads both dumps of every process through a mount, and compares them with Volatility 2's
// dumps. For some images it uses two mounts and several ways of reading.
func TestDigestsAreVolatilitys(t *testing.T) {
	for _, name := range references {
		if raceEnabled && name != "WinXPSP2x86PAE" && name != "Win10x64_19041" {
			continue // the race detector finds no more in the others
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			truth := corpus.Load(t, name)
			image := corpus.Unpack(t, name+".raw")
			mounts := []*mount{mounted(t, image)}
			if slices.Contains(manyWays, name) {
				mounts = append(mounts, mounted(t, image))
			}
			present, huge := sorted(t, mounts[0], expectations(t, mounts[0], truth))
			for _, m := range mounts {
				checkWithMD5Sum(t, m, present)
				if len(mounts) > 1 {
					checkWithMD5Sum(t, m, present) // from the kernel's cache
				}
			}
			if len(mounts) > 1 {
				checkReads(t, mounts[1], present)
			}
			if !testing.Short() && !raceEnabled {
				checkWithMD5Sum(t, mounts[0], huge[:min(1, len(huge))])
			}
			for _, m := range mounts {
				m.unmount()
			}
		})
	}
}

// sorted returns the files that exist, with the huge files apart. It checks that the other files do not exist.
func sorted(t *testing.T, m *mount, files []expected) (present, huge []expected) {
	t.Helper()
	for _, f := range files {
		switch {
		case f.gone():
			checkGone(t, m, f)
		case f.want.Size >= hugeDump:
			huge = append(huge, f)
		default:
			present = append(present, f)
		}
	}
	return present, huge
}

// checkWithMD5Sum lets the md5sum program check the files.
func checkWithMD5Sum(t *testing.T, m *mount, files []expected) {
	t.Helper()
	var list strings.Builder
	for _, f := range files {
		fmt.Fprintf(&list, "%s  %s\n", f.want.MD5, f.path)
	}
	if list.Len() > 0 {
		toolIn(t, m.dir, "md5sum", "--check", "--strict", "--quiet", writeFile(t, "MD5SUMS", []byte(list.String())))
	}
}

// checkReads reads all files at the same time, in small and in large pieces. It bypasses the kernel's cache, so that
// the tree gets requests for these pieces.
func checkReads(t *testing.T, m *mount, files []expected) {
	t.Helper()
	var readers errgroup.Group
	readers.SetLimit(16)
	for _, f := range files {
		for _, piece := range []int{4 << 10, 1 << 20} {
			readers.Go(func() error {
				sum, size, err := digest(m.path(f.path), piece)
				if err != nil || sum != f.want.MD5 || size != f.want.Size {
					return fmt.Errorf("%s in pieces of %d: MD5 %s of %d bytes, want %s of %d (%v)", f.path, piece, sum, size, f.want.MD5, f.want.Size, err)
				}
				return nil
			})
		}
	}
	if err := readers.Wait(); err != nil {
		t.Error(err)
	}
}

func digest(path string, piece int) (sum string, size int64, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECT, 0)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := md5.New()
	size, err = io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{f}, make([]byte, piece))
	return hex.EncodeToString(h.Sum(nil)), size, err
}

// checkGone checks that a file which cannot be made does not exist, and that a sentence says why.
func checkGone(t *testing.T, m *mount, f expected) {
	t.Helper()
	if _, err := os.Stat(m.path(f.path)); !errors.Is(err, iofs.ErrNotExist) {
		t.Errorf("%s: %v, where Volatility has none", f.path, err)
	}
	dir, name := filepath.Split(m.path(f.path))
	for line := range strings.Lines(readFile(t, filepath.Join(dir, "NOT-RECOVERED.txt"))) {
		if names, why, ok := strings.Cut(line, ": not recovered, because "); ok && strings.Contains(names, name) && len(why) > 20 && strings.HasSuffix(why, ".\n") {
			return
		}
	}
	t.Errorf("%s: NOT-RECOVERED.txt does not say why it is missing:\n%s", f.path, readFile(t, filepath.Join(dir, "NOT-RECOVERED.txt")))
}
