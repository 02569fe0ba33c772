package format_test

import (
	"bytes"
	"context"
	iofs "io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"memlens/fs"
	"memlens/memimage"
	"memlens/memimage/format"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
	"memlens/memimage/sparse/sparsetest"
	"memlens/memimage/synth"
)

// smallSystem is a Windows XP with two programs: one is completely in memory, the pages of the other are in many
// states.
func smallSystem(t testing.TB) *synth.Memory {
	t.Helper()
	p, err := profile.Builtin().ByName("WinXPSP2x86")
	if err != nil {
		t.Fatal(err)
	}
	cmd := synth.NewProgram(synth.Program{Name: "cmd.exe", Base: 0x4ad00000, Code: 0x4400, Data: 0x3800, Bits: 32})
	note := synth.NewProgram(synth.Program{Name: "notepad.exe", Base: 0x1000000, Code: 0x6c00, Data: 0x3000, Bits: 32})
	m, err := synth.Build(synth.System{Profile: p, Paging: synth.X86, RAM: 8 << 20, Seed: 1, Processes: []synth.Process{
		{PID: 3256, PPID: 4, Name: "cmd.exe", Path: `C:\WINDOWS\system32\cmd.exe`, Image: cmd},
		{PID: 2284, PPID: 4, Name: "notepad.exe", Path: `C:\WINDOWS\system32\notepad.exe`, Image: note, Pages: synth.Mixed(3), Section: synth.MixedSection(3)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// runsOf returns the runs of a memory by address, without stretches of so many pages of zeros: the images stay small.
func runsOf(t testing.TB, m *synth.Memory, pages int) (addrs []uint64, data [][]byte) {
	t.Helper()
	stretch := uint64(pages) * 4096
	page := make([]byte, stretch)
	for _, r := range m.Runs {
		for pa := r.Start << 12; pa < (r.Start+r.Pages)<<12; pa += uint64(len(page)) {
			page = page[:min(stretch, (r.Start+r.Pages)<<12-pa)]
			if _, err := m.Reader.ReadAt(page, int64(pa)); err != nil {
				t.Fatal(err)
			}
			if last := len(addrs) - 1; !slices.ContainsFunc(page, func(c byte) bool { return c != 0 }) {
				continue
			} else if last >= 0 && addrs[last]+uint64(len(data[last])) == pa {
				data[last] = append(data[last], page...)
			} else {
				addrs, data = append(addrs, pa), append(data, bytes.Clone(page))
			}
		}
	}
	return addrs, data
}

// disk is a file, with its siblings, on a disk whose unreadable places a test can choose.
type disk struct {
	sparse.Source
	disk     *sparsetest.Disk
	name     string
	siblings map[string]*disk
}

func newDisk(name string, data []byte, siblings map[string][]byte) *disk {
	of := func(name string, data []byte) *disk {
		d := &sparsetest.Disk{ReaderAt: bytes.NewReader(data)}
		return &disk{Source: sparse.Whole(d, int64(len(data))), disk: d, name: name}
	}
	out := of(name, data)
	out.siblings = map[string]*disk{}
	for sibling, data := range siblings {
		s := of(sibling, data)
		s.siblings = out.siblings
		out.siblings[strings.ToLower(sibling)] = s
	}
	return out
}

func (d *disk) Name() string { return d.name }

func (d *disk) Beside(name string) (format.Source, error) {
	if s, ok := d.siblings[strings.ToLower(name)]; ok {
		return s, nil
	}
	return nil, iofs.ErrNotExist
}

func (d *disk) Names() ([]string, error) {
	names := []string{d.name}
	for _, s := range d.siblings {
		names = append(names, s.name)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// content is the content of a file of the tree, or the error of reading it.
type content struct {
	data []byte
	err  error
}

// tree reads all files of an image's tree that are not pictures.
func tree(t *testing.T, im *memimage.Image) map[string]content {
	t.Helper()
	fsys := fs.New(im, fs.Options{})
	out := map[string]content{}
	err := iofs.WalkDir(fsys, ".", func(name string, e iofs.DirEntry, err error) error {
		if err != nil {
			out[name] = content{err: err}
			return nil
		}
		switch path.Ext(name) {
		case ".bmp", ".png", ".gif", ".svg", ".raw":
			return nil
		}
		if !e.IsDir() {
			data, err := iofs.ReadFile(fsys, name)
			out[name] = content{data, err}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// openDisk opens an image with a cache of next to nothing, so that every read goes to the disk.
func openDisk(t *testing.T, d *disk, spool string) (*memimage.Image, error) {
	t.Helper()
	return openWith(t, d, format.Options{SpoolDir: spool, CacheBytes: 1})
}

// openCached opens an image on a disk that stays as it is.
func openCached(t *testing.T, d *disk, spool string) (*memimage.Image, error) {
	t.Helper()
	return openWith(t, d, format.Options{SpoolDir: spool})
}

func openWith(t *testing.T, d *disk, o format.Options) (*memimage.Image, error) {
	t.Helper()
	im, err := memimage.OpenSource(context.Background(), d, memimage.Options{Container: o})
	if err == nil {
		t.Cleanup(func() { im.Close() })
	}
	return im, err
}
