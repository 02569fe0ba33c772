package format

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/sparse"
)

func writeFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenFileRaw(t *testing.T) {
	data := testPages(0, 8)
	im, err := OpenFile(writeFile(t, "a.raw", data), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if im.Format != "raw" || !noteWith(im, "taken for raw") {
		t.Errorf("format %q, notes %q", im.Format, im.Notes)
	}
	checkMemory(t, im, []run{{0, data}})
}

func TestRawPartialLastPageIsServedAndNoted(t *testing.T) {
	data := testPages(0, 3)[:2*pageSize+100]
	im, err := Open(newMemSource("a.raw", data), Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkMemory(t, im, []run{{0, data}})
	if !noteWith(im, "ends after 100 bytes") {
		t.Errorf("notes: %q", im.Notes)
	}
}

func TestOpenFileRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]string{
		dir:                           "a directory",
		writeFile(t, "empty", nil):    "empty",
		filepath.Join(dir, "nothing"): "no such file",
		"/dev/null":                   "a character device",
	} {
		if _, err := OpenFile(name, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

func TestShrunkFileIsAnErrorNotZeros(t *testing.T) {
	path := writeFile(t, "a.raw", testPages(0, 8))
	im, err := OpenFile(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	if err := os.Truncate(path, 5*pageSize); err != nil {
		t.Fatal(err)
	}
	n, err := im.Memory.ReadAt(make([]byte, 8*pageSize), 0)
	if n != 5*pageSize || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read %#x bytes, %v", n, err)
	}
}

func TestBesideIgnoresCase(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"Host 1.vmem", "HOST 1.VMSS"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	src, err := openFileSource(filepath.Join(dir, "Host 1.vmem"))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	sib, err := src.Beside("Host 1.vmss")
	if err != nil {
		t.Fatal(err)
	}
	defer sib.(io.Closer).Close()
	if sib.Name() != "HOST 1.VMSS" {
		t.Errorf("name %q", sib.Name())
	}
	if _, err := src.Beside("Host 1.vmsn"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing sibling: %v", err)
	}
}

func TestForeignFilesAreRefused(t *testing.T) {
	pe := make([]byte, 0x2000)
	copy(pe, "MZ")
	pe[0x3c] = 0x80
	copy(pe[0x80:], "PE\x00\x00")
	mbr := make([]byte, 0x100000)
	copy(mbr[446:], "\x80\x20\x21\x00\x07\xfe\xff\xff\x10\x00\x00\x00\x00\x04\x00\x00")
	mbr[510], mbr[511] = 0x55, 0xaa
	elf := append([]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3e\x00"), make([]byte, 100)...)
	for want, data := range map[string][]byte{
		"PE":                  pe,
		"partition table":     mbr,
		"an ELF program":      elf,
		"PDF":                 []byte("%PDF-1.7\n"),
		"JPEG":                []byte("\xff\xd8\xff\xe0\x00\x10JFIF"),
		"7-Zip":               []byte("7z\xbc\xaf\x27\x1c\x00\x04"),
		"Xen saved":           []byte("Xen saved domain, xl format\n \x00 \r"),
		"Hyper-V":             []byte("\x14\x20\x28\x01\x00\x00\x00\x00"),
		"VirtualBox saved":    []byte("\x7fVirtualBox SavedState V2.0\n"),
		"EWF version 2":       []byte("EVF2\r\n\x81\x00\x02\x01"),
		"AD1":                 []byte("ADSEGMENTEDFILE\x00\x02\x00\x00\x00"),
		"lost its header":     []byte("AFF\x00\x00\x00\x00\x11\x00\x00\x00\x18"),
		"compress":            []byte("\x1f\x9d\x90abc"),
		"lzop":                []byte("\x89LZO\x00\r\n\x1a\n\x10\x40"),
		"lzip":                []byte("LZIP\x01\x0c"),
		"an NTFS file system": []byte("\xebR\x90NTFS    \x00\x02\x08"),
	} {
		_, err := Open(newMemSource("f", data), Options{})
		var not *NotMemoryError
		if !errors.As(err, &not) || !strings.Contains(not.What, want) {
			t.Errorf("%s: %v", want, err)
		}
		if got := describe(sparse.Bytes(data), true); !strings.Contains(got, want) {
			t.Errorf("Describe says %q, want %q", got, want)
		}
	}
}

func TestDescribe(t *testing.T) {
	noise := testPage(3 * pageSize)
	linux := make([]byte, 3<<20)
	copy(linux[0x1fff80:], "Linux version 6.1.0-13-amd64 (debian-kernel@lists.debian.org)\n")
	for _, c := range []struct {
		name, want string
		data       []byte
	}{
		{"zeros", "nothing but zeros", make([]byte, 1<<20)},
		{"text", "text", []byte("hello\nworld\n")},
		{"linux across a step", "Linux system (\"Linux version 6.1.0-13-amd64", linux},
		{"noise", "compressed, encrypted or random", bytes.Repeat(noise, 100)[:300000]},
		{"memory", "nothing that is known", testPages(0, 20)},
		{"nothing", "empty", nil},
	} {
		if got := describe(sparse.Bytes(c.data), true); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestMemmap(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []Range
	}{
		{"hexadecimal with prefix", "0x1000 0x1fff 0x0\n0x100000 0x200000 0x1000", []Range{{0x1000, 0x1000, 0}, {0x100000, 0x100000, 0x1000}}},
		{"decimal", "4096 8191 0", []Range{{0x1000, 0x1000, 0}}},
		{"one letter makes all hexadecimal", "1000 1fff 0\n100000 100010 1000", []Range{{0x1000, 0x1000, 0}, {0x100000, 0x11, 0x1000}}},
		{"comments, arrows, no offsets", "# map\n\n0x1000 - 0x1fff -> 0x2000\n0x5000,0x5fff\n", []Range{{0x1000, 0x1000, 0x2000}, {0x5000, 0x1000, 0x3000}}},
		{"nothing", "# only this", nil},
		{"backwards", "0x2000 0x1000 0", nil},
		{"too large", "0x2000 0xffffffffffffffff 0", nil},
		{"words", "start end offset", nil},
		{"four", "1 2 3 4", nil},
	} {
		got, err := ParseMemmap(strings.NewReader(c.text))
		if (err != nil) != (c.want == nil) || len(got) != len(c.want) {
			t.Fatalf("%s: %v, %v", c.name, got, err)
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: range %d is %+v, want %+v", c.name, i, got[i], c.want[i])
			}
		}
	}
}

func TestMappedRaw(t *testing.T) {
	runs := testMemory()
	var file []byte
	var m []Range
	for _, r := range runs {
		m = append(m, Range{r.addr, uint64(len(r.data)), uint64(len(file))})
		file = append(file, r.data...)
	}
	im, err := Open(newMemSource("a.raw", file), Options{Memmap: m})
	if err != nil {
		t.Fatal(err)
	}
	checkMemory(t, im, runs)
}

func TestLayoutHostileRanges(t *testing.T) {
	file := testPages(0, 16)
	for _, c := range []struct {
		name   string
		ranges []Range
		note   string
		want   []run
	}{
		{"unsorted", []Range{{0x5000, 0x1000, 0x1000}, {0x1000, 0x1000, 0}}, "", []run{{0x1000, file[:0x1000]}, {0x5000, file[0x1000:0x2000]}}},
		{"repeated", []Range{{0x1000, 0x1000, 0}, {0x1000, 0x1000, 0x3000}}, "overlap", []run{{0x1000, file[:0x1000]}}},
		{"overlapping", []Range{{0x2000, 0x2000, 0x2000}, {0x1000, 0x2000, 0x8000}}, "overlap", []run{{0x1000, append(append([]byte{}, file[0x8000:0x9000]...), file[0x2000:0x4000]...)}}},
		{"beyond the file", []Range{{0x1000, 0x1000, 0}, {0x8000, 0x2000, 0xf000}, {0x20000, 0x1000, 1 << 60}}, "truncated", []run{{0x1000, file[:0x1000]}, {0x8000, file[0xf000:]}}},
		{"beyond physical memory", []Range{{0x1000, 0x1000, 0}, {1 << 60, 0x2000, 0}, {0x1000, 1<<64 - 1, 0}}, "outside", []run{{0x1000, file[:0x1000]}}},
	} {
		im, err := Open(newMemSource("a.raw", file), Options{Memmap: c.ranges})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !noteWith(im, c.note) {
			t.Errorf("%s: notes %q", c.name, im.Notes)
		}
		checkMemory(t, im, c.want)
	}
}
