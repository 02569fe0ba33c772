package memimage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/restore"
	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// restoredCheck compares restored files with the originals.
type restoredCheck struct {
	t         *testing.T
	originals map[string][]byte // by SHA-256
	said      map[string]*said  // by SHA-256: the exact bytes of the files
	files     int               // with an original
	reached   int               // the original's digest
	none      int               // no file
	equal     int64             // bytes
	exact     int64             // bytes in rows that are exact
	total     int64             // bytes of the originals
}

// file checks one restored file: no exact row may differ.
func (c *restoredCheck) file(what string, m *Module, sha string) {
	c.t.Helper()
	r, err := m.Restored()
	if err != nil {
		c.none++
		return
	}
	c.files++
	got := make([]byte, r.Reader.Size())
	if _, err := sparse.ZeroFill(r.Reader, nil).ReadAt(got, 0); err != nil && err != io.EOF {
		c.t.Errorf("%s: %v", what, err)
		return
	}
	sum := sha256.Sum256(got)
	reached := hex.EncodeToString(sum[:]) == sha
	if reached {
		c.reached++
		c.originals[sha] = got
	} else if r.Complete() {
		c.t.Errorf("%s: is said to be the original and is not", what)
	}
	if c.said[sha] == nil {
		c.said[sha] = new(said)
	}
	c.said[sha].agree(c.t, what, r, got)
	if want, ok := c.originals[sha]; ok {
		c.total += int64(len(want))
		c.rows(what, r, got, want)
	}
}

// said holds the bytes of a file that any result calls exact.
type said struct {
	bytes []byte
	known []bool
}

// agree compares the exact rows with the exact rows of earlier results, and adds them.
func (s *said) agree(t *testing.T, what string, r *restore.Result, got []byte) {
	t.Helper()
	for i := range r.Rows {
		row := &r.Rows[i]
		if !row.Exact() {
			continue
		}
		if end := int(row.FileOffset + row.Length); end > len(s.bytes) {
			s.bytes = append(s.bytes, make([]byte, end-len(s.bytes))...)
			s.known = append(s.known, make([]bool, end-len(s.known))...)
		}
		for at := row.FileOffset; at < row.FileOffset+row.Length; at++ {
			if s.known[at] && s.bytes[at] != got[at] {
				t.Errorf("%s: the row %+v is said to be exact, as another is that differs at %#x", what, row, at)
				break
			}
			s.bytes[at], s.known[at] = got[at], true
		}
	}
}

// rows counts the bytes that are equal, and reports exact bytes that are not.
func (c *restoredCheck) rows(what string, r *restore.Result, got, want []byte) {
	c.t.Helper()
	for i := range got[:min(len(got), len(want))] {
		if got[i] == want[i] {
			c.equal++
		}
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		if !row.Exact() {
			continue
		}
		c.exact += row.Length
		end := row.FileOffset + row.Length
		if end > int64(len(want)) || !bytes.Equal(got[row.FileOffset:end], want[row.FileOffset:end]) {
			c.t.Errorf("%s: the row %+v is said to be exact and is not the file's", what, row)
		}
	}
}

func (c *restoredCheck) String() string {
	return fmt.Sprintf("%d files, %d reached the digest, %d none; %d of %d bytes equal, %d exact", c.files, c.reached, c.none, c.equal, c.total, c.exact)
}

// modules checks the modules of the image's processes.
func (c *restoredCheck) modules(name string, all map[uint64]*Process) {
	c.t.Helper()
	for _, p := range corpus.LoadModules(c.t, name).Processes {
		found, _ := all[hexNumber(c.t, p.OffsetP)].Modules()
		byBase := map[paging.Virt]*Module{}
		for _, f := range found {
			byBase[f.Found.Base] = f.Module
		}
		for _, want := range append(p.Modules, p.Other...) {
			sha := originalOf(want.FileSHA256, want.Original)
			if m := byBase[paging.Virt(hexNumber(c.t, want.Base))]; m != nil && sha != "" {
				c.file(name+": "+p.Name+": "+want.Name+", "+want.Class, m, sha)
			}
		}
	}
}

// drivers checks the drivers of the image.
func (c *restoredCheck) drivers(name string, byBase map[paging.Virt]*Driver) {
	c.t.Helper()
	for _, want := range corpus.LoadDrivers(c.t, name).Drivers {
		sha := originalOf(want.FileSHA256, want.Original)
		if d := byBase[paging.Virt(hexNumber(c.t, want.Base))]; d != nil && sha != "" {
			c.file(name+": "+want.Name+", "+want.Class, d.Module, sha)
		}
	}
}

// originalOf returns the SHA-256 of the file on disk; empty where it is not known.
func originalOf(sha string, original *corpus.Original) string {
	if original != nil {
		return original.SHA256
	}
	return sha
}

// originalsBySum returns the files of ReactOS's disk by their SHA-256.
func originalsBySum(t *testing.T) map[string][]byte {
	out := map[string][]byte{}
	for _, b := range corpus.Originals(t) {
		sum := sha256.Sum256(b)
		out[hex.EncodeToString(sum[:])] = b
	}
	return out
}

// TestRestoredModulesAreTheOriginals compares the restored files of all modules and drivers with the files on disk. The
// files of ReactOS are present. For the other images only the digests are known: a restored file with the right digest
// is the original for other files of that digest, in a second round. And the exact bytes of a file must be the same in
// all results.
func TestRestoredModulesAreTheOriginals(t *testing.T) {
	corpus.Dir(t)
	if raceEnabled {
		t.Skip("every byte of some hundred megabytes is compared")
	}
	originals, all, reached := originalsBySum(t), map[string]*said{}, 0
	for _, last := range []bool{false, true} {
		for _, name := range corpus.ModuleImages {
			im := openReference(t, name, Options{})
			modules, drivers := restoredCheck{t: t, originals: originals, said: all}, restoredCheck{t: t, originals: originals, said: all}
			modules.modules(name, allProcesses(t, im))
			drivers.drivers(name, allDrivers(t, im))
			if !last {
				continue
			}
			t.Logf("%s: modules: %s; drivers: %s", name, &modules, &drivers)
			reached += modules.reached
			// What Volatility's dumps of ReactOS and the files have in common.
			if name == "ReactOS0413x86" && (modules.equal < 100595850 || drivers.equal < 11383474) {
				t.Error("less is equal than in Volatility's dumps")
			}
		}
	}
	if reached < 78 {
		t.Errorf("only %d files reached the digest of the original, want 78", reached)
	}
}
