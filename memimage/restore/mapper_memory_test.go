package restore_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"memlens/memimage"
	"memlens/memimage/paging"
	"memlens/memimage/synth/corpus"
)

// realModules says where the modules of a real system's processes are, and names their files.
type realModules struct {
	Processes []struct {
		OffsetP string `json:"offset_p"`
		Modules []struct {
			Base     string
			Original *struct{ File string }
		}
	}
}

const realSystem = "ReactOS0413x86"

// originals returns the files of the real system's modules by path.
func originals(t *testing.T) map[string][]byte {
	f, err := os.Open(corpus.Unpack(t, realSystem+".modules-originals.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := map[string][]byte{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMapperIsLikeMemory compares the mapper itself with the memory of a real system with known files: its pages must
// equal the system's, in every page that the program may not write to.
func TestMapperIsLikeMemory(t *testing.T) {
	corpus.Long(t)
	b, err := os.ReadFile(filepath.Join(corpus.Dir(t), realSystem+".modules.json"))
	if err != nil {
		t.Fatal(err)
	}
	var truth realModules
	if err := json.Unmarshal(b, &truth); err != nil {
		t.Fatal(err)
	}
	im, err := memimage.Open(context.Background(), corpus.Unpack(t, realSystem+".raw"), memimage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	spaces := map[string]*paging.Space{}
	processes, _ := im.Processes()
	for _, p := range processes {
		spaces["0x"+strconv.FormatUint(uint64(p.PA), 16)] = p.Process.Space()
	}
	files := originals(t)
	equal, all := 0, 0
	for _, p := range truth.Processes {
		for _, module := range p.Modules {
			space := spaces[p.OffsetP]
			if module.Original == nil || space == nil {
				continue
			}
			f, err := parsePE(module.Original.File, fileNamed(files, module.Original.File))
			if err != nil {
				continue
			}
			base, _ := strconv.ParseUint(module.Base, 0, 64)
			m := mapImage(f)
			m.relocate(base-m.base, m.poke)
			m.load = base
			e, a := m.compare(t, space)
			equal, all = equal+e, all+a
		}
	}
	if t.Logf("%d of %d pages are as in memory", equal, all); equal < all || all < 1000 {
		t.Error("the mapper is not like memory")
	}
}

// fileNamed returns the file whose path in the archive ends with name.
func fileNamed(files map[string][]byte, name string) []byte {
	for path, b := range files {
		if len(path) >= len(name) && path[len(path)-len(name):] == name {
			return b
		}
	}
	return nil
}

// compare counts the pages that are as in memory, among the present pages that only the loader writes to.
func (m *image) compare(t *testing.T, space *paging.Space) (equal, all int) {
	m.bindLike(space)
	for i := range m.has {
		rva := int64(i) * page
		s := m.sectionAt(rva)
		var b [page]byte
		if n, _ := space.ReadVirt(b[:], paging.Virt(m.load)+paging.Virt(rva)); n < page || !m.has[i] || s != nil && s.flags&sectionWrite != 0 {
			continue
		}
		if all++; bytes.Equal(b[:], m.at(rva)) {
			equal++
			continue
		}
		n, first := differ(b[:], m.at(rva))
		t.Logf("%s at %#x: page at RVA %#x differs in %d bytes, the first at %#x", m.name, m.load, rva, n, first)
	}
	return equal, all
}

// bindLike binds the imports to the addresses in memory.
func (m *image) bindLike(space *paging.Space) {
	for d := int64(m.dirs[dirImport].rva); d != 0; d += 20 {
		e := m.read(d, 20)
		if e.u32(12) == 0 || e.u32(16) == 0 {
			return
		}
		names := int64(e.u32(0))
		if names == 0 {
			names = int64(e.u32(16))
		}
		for at := int64(0); m.readNumber(names+at) != 0; at += int64(m.pointer()) {
			b := make([]byte, m.pointer())
			space.ReadVirt(b, paging.Virt(m.load)+paging.Virt(int64(e.u32(16))+at))
			m.poke(int64(e.u32(16))+at, b)
		}
	}
}
