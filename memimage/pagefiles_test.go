package memimage

import (
	"strings"
	"testing"

	"memlens/memimage/nt"
)

// TestNumberPageFile numbers files by their names where one page file of the kernel has the name, and asks where two
// have it.
func TestNumberPageFile(t *testing.T) {
	one := []nt.PagingFile{{Number: 0, Name: `\??\C:\pagefile.sys`}, {Number: 1, Name: `\??\C:\swapfile.sys`, Swap: true}, {Number: 2, Virtual: true}}
	two := append(one[:3:3], nt.PagingFile{Number: 3, Name: `\??\D:\pagefile.sys`})
	for _, c := range []struct {
		path          string
		given, place  int
		files         []nt.PagingFile
		number        int
		note, problem string
	}{
		{"host/pagefile.sys", -1, 1, one, 0, `number of the kernel's \??\C:\pagefile.sys`, ""},
		{"my host/PageFile.SYS", -1, 0, one, 0, "It has the number", ""},
		{"host.swapfile.sys", -1, 0, one, 1, "It has the number", ""},
		{"swapfile.sys", 0, 0, one, 0, `of that number is \??\C:\pagefile.sys`, ""},
		{"renamed.bin", -1, 1, one, 1, `of that number is \??\C:\swapfile.sys`, ""},
		{"renamed.bin", -1, 0, nil, 0, "", ""},
		{"renamed.bin", 7, 0, one, 7, "no page file of that number, but 3", ""},
		{"pagefile.sys", -1, 0, two, 0, "", `0 is \??\C:\pagefile.sys, 3 is \??\D:\pagefile.sys`},
		{"pagefile.sys", 3, 0, two, 3, "", ""},
		{"swapfile.sys", -1, 0, two, 1, "It has the number", ""},
	} {
		number, note, err := numberPageFile(GivenPageFile{c.path, c.given}, c.place, c.files)
		switch {
		case c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)):
			t.Errorf("%+v: %v", c, err)
		case c.problem == "" && (err != nil || number != c.number || !strings.Contains(note, c.note) || c.note == "" && note != ""):
			t.Errorf("%+v: %d, %q, %v", c, number, note, err)
		}
	}
}
