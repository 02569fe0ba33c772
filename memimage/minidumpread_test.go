package memimage

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"memlens/memimage/sparse"
)

// TestMinidumpIsReadAsItsProcess opens the minidump of each process of built systems as an image. Modules, dumps and
// memory must equal the process's. The writer and the reader of dumps share no code.
func TestMinidumpIsReadAsItsProcess(t *testing.T) {
	for name, sys := range dumpedSystems(t) {
		im := openMemory(t, buildMemory(t, sys), Options{AllPages: true})
		list, _ := im.Processes()
		read := 0
		for _, p := range list {
			if p.CheckMinidump() != nil || p.Process.PEB == 0 {
				continue
			}
			d := minidumpOf(t, p)
			path := filepath.Join(t.TempDir(), "process.dmp")
			whole := make([]byte, d.File.Size())
			if _, err := d.File.ReadAt(whole, 0); err != nil && err != io.EOF {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			read += checkReadAsProcess(t, fmt.Sprintf("%s, process %d", name, p.PID), p, path)
		}
		if read < 3 {
			t.Errorf("%s: %d modules were compared", name, read)
		}
	}
}

// checkReadAsProcess compares the image of a dump with its process, and returns the number of modules with equal dumps.
func checkReadAsProcess(t *testing.T, name string, want *Process, path string) (equal int) {
	t.Helper()
	im, err := Open(context.Background(), path, Options{})
	if err != nil {
		if _, known := want.Environment(); known == nil {
			t.Errorf("%s: %v", name, err)
		}
		return 0
	}
	defer im.Close()
	list, damage := im.Processes()
	if len(list) != 1 || len(damage) > 0 || list[0].PID != want.PID {
		t.Fatalf("%s: %d processes, %v", name, len(list), damage)
	}
	modules := map[string]*FoundModule{}
	found, _ := list[0].Modules()
	for _, m := range found {
		modules[fmt.Sprintf("%#x %d", uint64(m.Found.Base), m.Found.Size)] = m
	}
	known, _ := want.Modules()
	for _, m := range known {
		dump, err := m.MemoryDump()
		if err != nil || m.Found.Listed() == nil {
			continue
		}
		key := fmt.Sprintf("%#x %d", uint64(m.Found.Base), m.Found.Size)
		other, ok := modules[key]
		if !ok {
			t.Errorf("%s: the dump lacks %s at %s", name, m.Name(), key)
			continue
		}
		again, err := other.MemoryDump()
		if err != nil {
			t.Errorf("%s: %s: %v", name, m.Name(), err)
			continue
		}
		if a, b := allOf(t, dump.Reader), allOf(t, again.Reader); !bytes.Equal(a, b) {
			t.Errorf("%s: the memory of %s differs: %d and %d bytes", name, m.Name(), len(a), len(b))
			continue
		}
		equal++
	}
	return equal
}

// allOf reads a file, with zeros for its holes.
func allOf(t *testing.T, r *sparse.Reader) []byte {
	t.Helper()
	b := make([]byte, r.Size())
	if _, err := sparse.ZeroFill(r, nil).ReadAt(b, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return b
}
