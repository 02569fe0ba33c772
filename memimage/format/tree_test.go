package format_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"memlens/memimage"
	"memlens/memimage/format"
	"memlens/memimage/sparse"
	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// TestTreeOfDamagedContainers writes a small Windows in every format, damages the file, and reads the whole tree:
// every byte of every executable that differs from the byte of the sound file lies in a row that says so.
func TestTreeOfDamagedContainers(t *testing.T) {
	corpus.Long(t)
	formats := each(t, 7, func(t *testing.T, w format.Written, part float64, sound *memimage.Image, want map[string]content, spool string) bool {
		data := bytes.Clone(w.Data)
		data[int(part*float64(len(data)))] ^= 0x55
		im, err := openCached(t, newDisk(w.Name, data, w.Siblings), spool)
		if err != nil || changedUnseen(t, sound.Container.Memory, im.Container.Memory) {
			return false // no format can see a changed byte without a checksum
		}
		got := tree(t, im)
		seen := false
		for name, w := range want {
			g, ok := got[name]
			if g.err != nil {
				t.Errorf("%s cannot be read: %v", name, g.err)
			}
			if bytes.Equal(g.data, w.data) {
				continue
			}
			seen = true
			if path.Ext(name) != ".exe" {
				continue
			}
			if !ok {
				if _, said := got[path.Join(path.Dir(name), "NOT-RECOVERED.txt")]; !said && hasDir(got, path.Dir(name)) {
					t.Errorf("%s is gone and nothing says why", name)
				}
				continue
			}
			explained(t, name, w.data, g.data, got)
		}
		return seen
	})
	if formats < 12 {
		t.Errorf("damage was met in %d formats only", formats)
	}
}

// each calls f with every format and so many places of its file, and returns for how many formats f returned true.
// The places differ from format to format, so that similar formats together have more places. With -short there is a
// third of the places: all formats are tried, by the same code.
func each(t *testing.T, parts int, f func(t *testing.T, w format.Written, part float64, sound *memimage.Image, want map[string]content, spool string) bool) (formats int) {
	m := smallSystem(t)
	for number := 0; ; number++ {
		w, ok := writeSystem(t, m, number)
		if !ok {
			break
		}
		t.Run(w.Format, func(t *testing.T) {
			spool := t.TempDir()
			sound, err := openCached(t, newDisk(w.Name, w.Data, w.Siblings), spool)
			if err != nil {
				t.Fatal(err)
			}
			want := tree(t, sound)
			seen := 0
			for i := range parts {
				_, shift := math.Modf(0.45 + 0.618*float64(number))
				if f(t, w, (float64(i)+shift)/float64(parts), sound, want, spool) {
					seen++
				}
			}
			t.Logf("%d of %d places made a difference", seen, parts)
			if seen > 0 {
				formats++
			}
		})
	}
	return formats
}

// writeSystem writes a system in the format with that number; false when there are not so many.
func writeSystem(t *testing.T, m *synth.Memory, number int) (format.Written, bool) {
	addrs, data := runsOf(t, m, 1)
	w, ok := format.WriteEverything(t, number, addrs, data)
	if ok && (strings.Contains(w.Format, "full") || w.Format == "zdmp") { // the header has room for some runs only
		addrs, data = runsOf(t, m, 16)
		w, _ = format.WriteEverything(t, number, addrs, data)
	}
	return w, ok
}

// changedUnseen reports whether a memory has bytes that differ from the bytes of the sound memory and are not
// missing.
func changedUnseen(t *testing.T, sound, damaged *sparse.Reader) bool {
	t.Helper()
	a, b := make([]byte, 4096), make([]byte, 4096)
	for off := int64(0); off < damaged.Size(); off += 4096 {
		n, _ := damaged.ReadAt(b, off)
		if m, _ := sound.ReadAt(a[:n], off); m < n || !bytes.Equal(a[:n], b[:n]) {
			return true
		}
	}
	return false
}

func hasDir(files map[string]content, dir string) bool {
	for name := range files {
		if path.Dir(name) == dir {
			return true
		}
	}
	return false
}

// span is a row of a table: the range that it describes, and whether it says that something is wrong there.
type span struct {
	off, end int64
	wrong    bool
}

// explained checks that each byte in which an executable differs lies in a row that says so.
func explained(t *testing.T, name string, want, got []byte, files map[string]content) {
	t.Helper()
	dir, base := path.Split(name)
	table := "pages.csv"
	if base == "restored.exe" {
		table = "restored.csv"
	}
	rows := spansOf(t, files[dir+table].data, table)
	if base == "procexedump.exe" { // its pages are in the order of the memory layout: sections are moved
		if len(want) != len(got) || !anyWrong(rows) {
			t.Errorf("%s differs (%d and %d bytes) and no page is said to be missing", name, len(want), len(got))
		}
		return
	}
	for i := range min(len(want), len(got)) {
		if want[i] == got[i] {
			continue
		}
		k := slices.IndexFunc(rows, func(s span) bool { return s.off <= int64(i) && int64(i) < s.end })
		if k < 0 || !rows[k].wrong {
			t.Errorf("%s differs at %#x, and %s says nothing of it", name, i, table)
			return
		}
	}
}

func anyWrong(rows []span) bool {
	return slices.ContainsFunc(rows, func(s span) bool { return s.wrong })
}

// spansOf reads pages.csv or restored.csv.
func spansOf(t *testing.T, data []byte, table string) []span {
	t.Helper()
	records, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil || len(records) == 0 {
		t.Fatalf("%s: %v", table, err)
	}
	column := func(name string) int { return slices.Index(records[0], name) }
	var out []span
	for _, r := range records[1:] {
		at, size := "offset", "length"
		unit := int64(1)
		if table == "pages.csv" {
			at, size, unit = "rva", "pages", 4096
		}
		off, _ := strconv.ParseInt(strings.TrimPrefix(r[column(at)], "0x"), 16, 64)
		n, _ := strconv.ParseInt(r[column(size)], 10, 64)
		wrong := r[column("source")] == "missing" || r[column("note")] != ""
		if table == "restored.csv" {
			wrong = wrong || r[column("exact")] != "true"
		}
		out = append(out, span{off, off + n*unit, wrong})
	}
	return out
}

// TestTreeOnABrokenDisk writes a small Windows in every format, opens it, breaks the disk, and reads the whole tree:
// a file is as on the sound disk, or reading it is an I/O error. When the disk works again, all files are as they
// were.
func TestTreeOnABrokenDisk(t *testing.T) {
	corpus.Long(t)
	formats := each(t, 3, func(t *testing.T, w format.Written, part float64, _ *memimage.Image, want map[string]content, spool string) bool {
		d := newDisk(w.Name, w.Data, w.Siblings)
		im, err := openDisk(t, d, spool)
		if err != nil {
			t.Fatal(err)
		}
		all := append([]*disk{d}, slicesOf(d.siblings)...)
		for _, f := range all {
			f.disk.Bad = []sparse.Run{{Off: int64(part * float64(f.Size())), Len: max(512, f.Size()/12)}}
			f.disk.Break(true)
		}
		broken := tree(t, im)
		failed := 0
		for name, w := range want {
			g, ok := broken[name]
			switch {
			case ok && g.err == nil && bytes.Equal(g.data, w.data):
			case ok && errors.Is(g.err, syscall.EIO):
				failed++
			case !ok && unreadable(broken, path.Dir(name)):
				failed++
			case ok && g.err == nil && saysWhatItLacks(name, g.data):
				failed++
			default:
				t.Errorf("bad place at %.2f: %s: %v, which is neither the sound file nor an I/O error", part, name, describe(g, ok))
			}
		}
		for name, g := range broken {
			if _, ok := want[name]; !ok && g.err == nil {
				t.Errorf("bad place at %.2f: %s is there and was not before", part, name)
			}
		}
		for _, f := range all {
			f.disk.Break(false)
		}
		im.Faults().Forget()
		healed := tree(t, im)
		for name, w := range want {
			if g, ok := healed[name]; !ok || g.err != nil || !bytes.Equal(g.data, w.data) {
				t.Errorf("bad place at %.2f, healed: %s is not as it was: %s", part, name, describe(g, ok))
			}
		}
		return failed > 0
	})
	if formats < 30 {
		t.Errorf("bad places were met in %d formats only", formats)
	}
}

// saysWhatItLacks reports whether a table of what a search of memory found says that a part could not be searched.
func saysWhatItLacks(name string, data []byte) bool {
	return path.Dir(name) == "scanned" && bytes.Contains(data, []byte("list damaged: not all of memory could be searched: reading at offset"))
}

// unreadable reports whether a directory, or a directory above it, could not be listed.
func unreadable(files map[string]content, dir string) bool {
	for ; ; dir = path.Dir(dir) {
		if c, ok := files[dir]; ok && errors.Is(c.err, syscall.EIO) {
			return true
		}
		if dir == "." {
			return false
		}
	}
}

func describe(c content, ok bool) string {
	switch {
	case !ok:
		return "not there"
	case c.err != nil:
		return c.err.Error()
	}
	return fmt.Sprintf("%d other bytes", len(c.data))
}

func slicesOf(m map[string]*disk) []*disk {
	var out []*disk
	for _, d := range m {
		out = append(out, d)
	}
	return out
}

// TestTreeWithABadPage opens a raw image with one page that cannot be read from the start: a page of page tables, of
// the kernel's structures or of a program. Either the image is refused for that reason, or each file of the tree is
// right or an I/O error. A process may be missing only because the list does not lead to it any more; then the table
// of processes is an I/O error, too.
func TestTreeWithABadPage(t *testing.T) {
	corpus.Long(t)
	m := smallSystem(t)
	data := make([]byte, m.Reader.Size())
	if _, err := m.Reader.ReadAt(data, 0); err != nil {
		t.Fatal(err)
	}
	sound, err := openDisk(t, newDisk("a.raw", data, nil), "")
	if err != nil {
		t.Fatal(err)
	}
	want := tree(t, sound)
	const pageSize = 4096
	used, refused, failed := 0, 0, 0
	for off := int64(0); off < int64(len(data)); off += pageSize {
		if !slices.ContainsFunc(data[off:off+pageSize], func(c byte) bool { return c != 0 }) {
			continue
		}
		used++
		synctest.Test(t, func(t *testing.T) { // no time passes in it: bad places stay remembered
			opened, n := badPage(t, data, off, want)
			if failed += n; !opened {
				refused++
			}
		})
	}
	t.Logf("each of %d pages that hold something was bad: %d images refused, %d files failed", used, refused, failed)
	if refused == 0 || failed == 0 {
		t.Error("no bad page was ever met")
	}
}

// badPage opens a raw image whose page at off cannot be read, and reads the whole tree. It returns whether the image
// was opened, and how many files could not be read.
func badPage(t *testing.T, data []byte, off int64, want map[string]content) (opened bool, failed int) {
	d := newDisk("a.raw", data, nil)
	d.disk.Bad = []sparse.Run{{Off: off, Len: 4096}}
	d.disk.Break(true)
	defer func() {
		const together = 4 // digests of a file that are made at the same time
		if n := d.disk.Failed(); n > 1+together {
			t.Errorf("the bad page at %#x was read %d times", off, n)
		}
	}()
	im, err := openDisk(t, d, "")
	if err != nil {
		return false, 0
	}
	got := tree(t, im)
	for name, w := range want {
		g, ok := got[name]
		switch {
		case ok && g.err == nil && bytes.Equal(g.data, w.data):
		case ok && errors.Is(g.err, syscall.EIO):
			failed++
		case ok && g.err == nil && saysWhatItLacks(name, g.data):
			failed++
		case name == "image.json" && bytes.Contains(g.data, []byte("they count for nothing")): // the file itself says so
		case !ok && (unreadable(got, path.Dir(name)) || errors.Is(got["processes.csv"].err, syscall.EIO)):
			failed++
		default:
			t.Errorf("bad page at %#x: %s: %s, which is neither the sound file nor an I/O error", off, name, describe(g, ok))
		}
	}
	return true, failed
}
