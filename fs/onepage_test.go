package fs

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	iofs "io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"sync"
	"testing"

	"memlens/memimage"
	"memlens/memimage/nt"
	"memlens/memimage/paging"
	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// traced is a memory that notes which of its pages are read.
type traced struct {
	sparse.Source
	mu    sync.Mutex
	pages map[int64]bool
}

const onePage = 4096

// ReadAt implements [sparse.Source].
func (r *traced) ReadAt(p []byte, off int64) (int, error) {
	r.mu.Lock()
	for at := off &^ (onePage - 1); at < off+int64(len(p)); at += onePage {
		r.pages[at] = true
	}
	r.mu.Unlock()
	return r.Source.ReadAt(p, off)
}

// gone is a stretch of a source that cannot be read, as a damaged chunk of a container.
type gone struct{ sparse.Source }

func (g gone) Probe(off int64) (int64, error) {
	n := g.Size() - off
	return n, &sparse.HoleError{Off: off, Len: n, Err: fmt.Errorf("the chunk is damaged")}
}

func (g gone) ReadAt(_ []byte, off int64) (int, error) {
	_, err := g.Probe(off)
	return 0, err
}

// holed is memory with n bytes at off lost.
func holed(t testing.TB, mem sparse.Source, off, n int64) *sparse.Reader {
	t.Helper()
	size := mem.Size()
	n = min(n, size-off)
	r, err := sparse.NewReader(size, sparse.Extent{Len: off, Src: mem}, sparse.Extent{Off: off, Len: n, Src: gone{sparse.Section(mem, off, n)}},
		sparse.Extent{Off: off + n, Len: size - off - n, Src: mem, SrcOff: off + n})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func openTree(mem *sparse.Reader, o Options) (*FS, error) {
	im, err := memimage.OpenMemory(context.Background(), "demo.raw", mem, memimage.Options{})
	if err != nil {
		return nil, err
	}
	return New(im, o), nil
}

// readAll reads all files below a directory that are listed. Whatever is listed must open, and be read to its end.
func readAll(t testing.TB, f *FS, dir string) map[string][]byte {
	t.Helper()
	return readBut(t, f, dir, func(string) bool { return false })
}

// readBut is readAll without some files.
func readBut(t testing.TB, f *FS, dir string, but func(name string) bool) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := iofs.WalkDir(f, dir, func(name string, d iofs.DirEntry, err error) error {
		if err != nil {
			t.Errorf("%s is listed: %v", name, err)
			return nil
		}
		if d.IsDir() || but(name) {
			return nil
		}
		data, err := iofs.ReadFile(f, name)
		if err != nil {
			t.Errorf("%s is listed: %v", name, err)
			return nil
		}
		info, err := d.Info()
		if err != nil || info.Size() != int64(len(data)) {
			t.Errorf("%s: %d bytes, listed with %v, error %v", name, len(data), info, err)
		}
		out[name] = data
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return out
}

// processOf is the process with an id.
func processOf(t testing.TB, f *FS, pid uint64) *memimage.Process {
	t.Helper()
	processes, _ := f.image.Processes()
	i := slices.IndexFunc(processes, func(p *memimage.Process) bool { return p.PID == pid })
	if i < 0 {
		t.Fatalf("no process %d", pid)
	}
	return processes[i]
}

// structures are the pages of memory that lead to a process's executable: its _EPROCESS, page tables, environment block
// and section.
func structures(t testing.TB, p *memimage.Process, k *nt.Kernel) map[int64]bool {
	t.Helper()
	out := map[int64]bool{}
	add := func(s *paging.Space, va paging.Virt) {
		if page, err := s.Translate(va); err == nil && page.Src != nil {
			out[(page.Off+int64(va-page.VA))&^(onePage-1)] = true
		}
	}
	area, err := p.ImageArea()
	if err != nil {
		t.Fatal(err)
	}
	section, err := p.ImageSection()
	if err != nil {
		t.Fatal(err)
	}
	add(k.Space, p.VA)
	add(p.Space(), p.PEB)
	add(k.Space, area)
	add(k.Space, section.File)
	for _, s := range section.Subsections {
		add(k.Space, s.VA)
		add(k.Space, s.Base)
	}
	p.Tables().Walk(&paging.Walk{
		To:    paging.Virt(k.Mode.UserSpace()),
		Enter: func(f paging.Frame) bool { out[int64(f.PA)&^(onePage-1)] = true; return true },
		Page:  func(paging.Virt, paging.Phys) bool { return true },
		Leave: func(paging.Frame, bool) {},
	})
	return out
}

// TestOneLostPageCostsOnePage takes away, in turn, each page that a process's files are made from or that leads to
// them, and then the block of a container around it. Each listed file opens and is read to its end. Of the executable's
// bytes, only the bytes that the table reports are missing or changed. The pictures are drawn where a page is lost.
func TestOneLostPageCostsOnePage(t *testing.T) {
	corpus.Long(t)
	mem := demoMemory(t).Reader
	r := &traced{Source: mem, pages: map[int64]bool{}}
	whole, err := sparse.NewReader(r.Size(), sparse.Extent{Len: r.Size(), Src: r})
	if err != nil {
		t.Fatal(err)
	}
	f, err := openTree(whole, Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := processOf(t, f, 3256)
	pages := structures(t, p, f.image.Kernel)
	r.pages = pages
	const dir = "3256-cmd.exe"
	sound := readAll(t, f, dir)
	lost := map[[2]int64]bool{} // several pages lie in one block
	for i, pa := range slices.Sorted(maps.Keys(pages)) {
		for _, n := range []int64{onePage, 8 * onePage} {
			off := pa &^ (n - 1)
			if lost[[2]int64{off, n}] {
				continue
			}
			lost[[2]int64{off, n}] = true
			t.Run(fmt.Sprintf("%#x/%d", off, n), func(t *testing.T) {
				f, err := openTree(holed(t, mem, off, n), Options{})
				if err != nil && n > onePage && off == int64(p.PA)&^(n-1) {
					return // all ends of the demo's list are lost with it
				}
				if err != nil {
					t.Fatal(err)
				}
				if _, err := iofs.Stat(f, dir); err != nil && int64(p.PA) >= off && int64(p.PA) < off+n {
					return // its _EPROCESS is lost
				}
				got := readBut(t, f, dir, func(name string) bool {
					drawn := slices.Contains([]string{".png", ".gif", ".bmp", ".svg"}, path.Ext(name))
					return drawn && (n > onePage || i%4 != 0)
				})
				checkRestored(t, sound, got, dir)
				checkDumps(t, f, sound, got, dir)
			})
		}
	}
}

// checkRestored: bytes of the restored file differ from the sound one's only where its table says so.
func checkRestored(t *testing.T, sound, got map[string][]byte, dir string) {
	t.Helper()
	file, table := path.Join(dir, "restored.exe"), path.Join(dir, "restored.csv")
	if got[file] == nil {
		return
	}
	if len(got[file]) != len(sound[file]) {
		t.Logf("restored.exe has %d bytes, the sound one %d", len(got[file]), len(sound[file]))
	}
	rows, err := csv.NewReader(bytes.NewReader(got[table])).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	differs := 0
	for _, row := range rows[1:] {
		off, _ := strconv.ParseInt(row[column["offset"]], 0, 64)
		n, _ := strconv.ParseInt(row[column["length"]], 0, 64)
		if off+n > int64(len(sound[file])) {
			continue
		}
		if !bytes.Equal(got[file][off:off+n], sound[file][off:off+n]) {
			differs++
			if kind := row[column["certainty"]]; kind == "exact" {
				t.Errorf("differs and is exact: %v", row)
			}
		}
	}
	if differs > 1 {
		t.Logf("%d rows differ", differs)
	}
}

func checkDumps(t *testing.T, f *FS, sound, got map[string][]byte, dir string) {
	for _, name := range []string{"procexedump.exe", "procmemdump.exe"} {
		name = path.Join(dir, name)
		a, b := sound[name], got[name]
		if b == nil {
			continue
		}
		if len(a) != len(b) {
			t.Errorf("%s: %d bytes, want %d", name, len(b), len(a))
			continue
		}
		file, err := f.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		h := file.(Holer)
		for off := int64(0); off < int64(len(a)); {
			data, err := h.NextData(off)
			if err != nil {
				break
			}
			hole, err := h.NextHole(data)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(a[data:hole], b[data:hole]) {
				t.Errorf("%s: bytes from %#x to %#x differ", name, data, hole)
			}
			off = hole
		}
	}
}
