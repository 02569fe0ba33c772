package format

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/sparse/sparsetest"
)

// TestPageFileOfAFF4 opens page files in volumes: the only page file, or the page file with a number or a name. It
// never guesses.
func TestPageFileOfAFF4(t *testing.T) {
	volume := func(numbers ...int) *memSource {
		return aff4Of(t, func(v *aff4Writer) {
			v.stream(aff4URN+"/PhysicalMemory", testPages(0, 3))
			v.say(aff4URN+"/PhysicalMemory", "aff4:category memory:physical")
			for i, n := range numbers {
				urn := fmt.Sprintf("%s/%c:/pagefile.sys", aff4URN, 'C'+i)
				v.stream(urn, testPages(uint64(i)<<20, 3+i))
				v.say(urn, `aff4:category <%spagefile> ; <%spagefile_number> "%d"^^xsd:integer`, aff4Memory, aff4Memory, n)
			}
		})
	}
	for _, c := range []struct {
		name    string
		numbers []int
		want    PageFileChoice
		size    int64
		err     string
	}{
		{"the only one", []int{0}, PageFileChoice{Number: 3}, 3 * pageSize, ""},
		{"by its number", []int{0, 1}, PageFileChoice{Number: 1}, 4 * pageSize, ""},
		{"by its name", []int{0, 0}, PageFileChoice{Member: `d:\PAGEFILE.SYS`}, 4 * pageSize, ""},
		{"two of one number", []int{0, 0}, PageFileChoice{}, 0, "2 page files, C:/pagefile.sys, D:/pagefile.sys, and does not say which of them is number 0: name it, as in --pagefile 0=a.aff4/C:/pagefile.sys"},
		{"no such name", []int{0}, PageFileChoice{Member: "E:/pagefile.sys"}, 0, "holds no E:/pagefile.sys; its page files: C:/pagefile.sys"},
		{"none", nil, PageFileChoice{}, 0, "holds no page file"},
	} {
		p, err := OpenPageFile(volume(c.numbers...), c.want, Options{})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %q", c.name, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if err := sparsetest.Check(p); err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if want := testPages(uint64(c.size/pageSize-3)<<20, int(c.size/pageSize)); !bytes.Equal(content(t, p), want) {
			t.Errorf("%s: %s is another one", c.name, p.Name)
		}
	}
	if im := openTest(t, volume(0)); !noteWith(im, "holds a page file of the machine, C:/pagefile.sys (12288 bytes (12 KiB)): --pagefile a.aff4 reads it.") {
		t.Errorf("the page file is not offered: %q", im.Notes)
	}
}

// TestPageFileAt opens page files by paths: plain files, and a page file in a volume, by its name behind the name of
// the volume.
func TestPageFileAt(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := write("pagefile.sys", testPages(0, 2))
	var form aff4Form
	for _, f := range aff4Forms() {
		if f.others {
			form = f
		}
	}
	volume := write("a.aff4", content(t, form.write(t, testMemory())))
	for path, want := range map[string][]byte{
		plain:                                    testPages(0, 2),
		volume:                                   testPages(0x7000000, 3),
		filepath.Join(volume, "C:/pagefile.sys"): testPages(0x7000000, 3),
	} {
		p, err := OpenPageFileAt(path, 0, Options{})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if !bytes.Equal(content(t, p), want) {
			t.Errorf("%s: other bytes", path)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	for path, want := range map[string]string{
		write("empty", nil):          "empty is no page file: it has 0 bytes",
		filepath.Join(dir, "none"):   "open " + filepath.Join(dir, "none") + ": no such file",
		filepath.Join(plain, "none"): "pagefile.sys is no AFF4 volume: there is no none in it",
	} {
		if _, err := OpenPageFileAt(path, 0, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// TestPageFileThatIsPacked checks that a packed file, or a truncated volume, is not read as if it were a page file.
func TestPageFileThatIsPacked(t *testing.T) {
	volume := content(t, aff4Of(t, func(v *aff4Writer) { v.stream(aff4URN+"/C:/pagefile.sys", testPages(0, 3)) }))
	for name, data := range map[string][]byte{
		"a.aff4":  volume[:len(volume)-30],
		"a.zip":   packZip(t, zipEntry{"pagefile.sys", testPages(0, 3), zip.Deflate}),
		"a.gz":    []byte("\x1f\x8b\x08\x00 and so on"),
		"a.E01":   content(t, writeEWF(testPages(0, 3), 4)),
		"cut.zip": []byte("PK\x03\x04"),
	} {
		if _, err := OpenPageFile(newMemSource(name, data), PageFileChoice{}, Options{}); err == nil || !strings.Contains(err.Error(), "unpack it first") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
