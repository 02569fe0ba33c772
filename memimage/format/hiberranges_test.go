package format

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"memlens/memimage/synth/corpus"
)

// someRuns returns n runs of so many pages each, with gaps of so many between them.
func someRuns(n, pages, gap int) []run {
	var out []run
	for i := range n {
		addr := uint64(1+i*(pages+gap)) * pageSize
		out = append(out, run{addr, bytes.Repeat([]byte(fmt.Sprintf("run %4d of %4d", i, n)), pages*pageSize/16)})
	}
	return out
}

// TestHibernationTablesAreToldApart writes files of each version, with a header and without, with one table and with
// several, and checks that each file is taken for its own version.
func TestHibernationTablesAreToldApart(t *testing.T) {
	corpus.Long(t)
	for _, l := range rangeLayouts() {
		for _, runs := range [][]run{someRuns(1, 1, 0), someRuns(1, 300, 0), someRuns(3, 1, 1), someRuns(40, 2, 1), someRuns(40, 1, 30), someRuns(2*l.most()+7, 1, 3), testMemory()} {
			for _, perTable := range []int{1, 2, 9, l.most()} {
				if len(runs)/perTable > 100 {
					continue
				}
				checkTables(t, l, writeHiberRanges(l, perTable, runs), runs)
			}
		}
	}
}

func checkTables(t *testing.T, l rangeLayout, data []byte, runs []run) {
	t.Helper()
	for _, want := range []string{l.name, cmp.Or(l.family, l.name)} {
		im, err := Open(newMemSource("hiberfil.sys", data), Options{})
		if err != nil {
			t.Fatalf("%s, %d runs: %v", l.name, len(runs), err)
		}
		if im.Format != "Windows hibernation file, "+want || noteWith(im, "could be those of") {
			t.Errorf("%s, %d runs: taken for %q, notes %q", l.name, len(runs), im.Format, im.Notes)
		}
		checkMemory(t, im, runs)
		clear(data[:pageSize])
	}
}

// TestHibernationBlocksOfFewerPages has blocks that are not full in the midst of a table: the boot loader of Windows goes
// by the number of pages in their headers.
func TestHibernationBlocksOfFewerPages(t *testing.T) {
	l, runs := rangeLayouts()[0], someRuns(1, 20, 0)
	data := writeHiberRanges(l, 9, runs)[:6*pageSize]
	for i := 0; i < 20; i += 5 {
		data = append(data, xpressBlockOf(runs[0].data[i*pageSize:(i+5)*pageSize])...)
	}
	im, err := Open(newMemSource("hiberfil.sys", data), Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkMemory(t, im, runs)
}

// TestHibernationBlocksWithoutTheirNumberOfPages are read as volatility reads them: 16 pages each.
func TestHibernationBlocksWithoutTheirNumberOfPages(t *testing.T) {
	l, runs := rangeLayouts()[3], someRuns(1, 40, 0)
	data := writeHiberRanges(l, 9, runs)
	for at := 0; at < len(data); at += 8 {
		if bytes.HasPrefix(data[at:], []byte(xpressMagic)) {
			binary.LittleEndian.PutUint16(data[at+8:], binary.LittleEndian.Uint16(data[at+8:])&^0x3ff)
		}
	}
	im, err := Open(newMemSource("hiberfil.sys", data), Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkMemory(t, im, runs)
}

// TestHibernationEmptyTables has tables without ranges in the chain. Windows makes such tables when it needs fewer
// than it expected.
func TestHibernationEmptyTables(t *testing.T) {
	for _, l := range rangeLayouts() {
		runs := someRuns(3, 2, 1)
		whole := writeHiberRanges(l, 9, runs)
		page := uint64(len(whole) / pageSize)
		putWord(whole, 5*pageSize+l.next, l.word, page)
		empty := make([]byte, 2*pageSize)
		putWord(empty, l.next, l.word, page+1)
		im, err := Open(newMemSource("hiberfil.sys", append(whole, empty...)), Options{})
		if err != nil {
			t.Fatal(err)
		}
		checkMemory(t, im, runs)
		if noteWith(im, "missing") {
			t.Errorf("%s: notes %q", l.name, im.Notes)
		}
		im, err = Open(newMemSource("hiberfil.sys", whole), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !noteWith(im, "no memory should be missing") {
			t.Errorf("%s: notes %q", l.name, im.Notes)
		}
	}
}

// TestHibernationRootsOfPageTables has values of CR3 with and without PAE. 0x2600060 is one of Windows XP with PAE.
func TestHibernationRootsOfPageTables(t *testing.T) {
	const pae = 0x6f8
	for _, c := range []struct {
		word     int
		cr3, cr4 uint64
		want     bool
	}{
		{4, 0x2600060, pae, true}, {4, 0x2600060, pae &^ 0x20, false}, {8, 0x2600060, pae, false},
		{4, 0x39000, pae &^ 0x20, true}, {4, 0x39018, pae &^ 0x20, true}, {4, 0x39020, pae &^ 0x20, false},
		{4, 0x2600044, pae, false}, {4, 0x2600078, pae, true}, {8, 0x187000, pae, true}, {4, 0, pae, false},
	} {
		if got := isRoot(CPU{CR3: c.cr3, CR4: c.cr4}, c.word); got != c.want {
			t.Errorf("%#x with CR4 %#x, %d bytes: %v", c.cr3, c.cr4, c.word, got)
		}
	}
	l := rangeLayouts()[0]
	data := writeHiberRanges(l, 9, testMemory())
	putWord(data, 2*pageSize+0x2cc+8, 4, 0x2600060)
	im, err := Open(newMemSource("hiberfil.sys", data), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if cpus := im.Hints.CPUs; len(cpus) != 1 || cpus[0].CR3 != 0x2600060 {
		t.Errorf("%+v", cpus)
	}
}

// TestHibernationTablesOfEveryVersion has each field where volatility 2, rekall and the symbols of Windows have it, so that
// the list of layouts cannot be wrong in the writer and the reader alike.
func TestHibernationTablesOfEveryVersion(t *testing.T) {
	others := []rangeLayout{
		{word: 4, next: 4, count: 0xc, link: 0x10, size: 0x10, start: 4, end: 8, firstTable: 0x58, systemTime: 0x20},     // XP, 2003
		{word: 4, next: 4, count: 0xc, link: 0x10, size: 0x10, start: 4, end: 8, firstTable: 0x50, systemTime: 0x18},     // Vista, Vista SP1
		{word: 4, next: 4, count: 8, link: 0xc, size: 8, start: 0, end: 4, firstTable: 0x50, systemTime: 0x18},           // Vista SP2
		{word: 4, next: 0, count: 4, link: 8, size: 8, start: 0, end: 4, firstTable: 0x4c, systemTime: 0x18},             // 7
		{word: 8, next: 8, count: 0x14, link: 0x20, size: 0x20, start: 8, end: 0x10, firstTable: 0x68, systemTime: 0x20}, // XP to Vista SP1
		{word: 8, next: 8, count: 0x10, link: 0x18, size: 0x10, start: 0, end: 8, firstTable: 0x68, systemTime: 0x20},    // Vista SP2
		{word: 8, next: 0, count: 8, link: 0x10, size: 0x10, start: 0, end: 8, firstTable: 0x60, systemTime: 0x20},       // 7
	}
	for i, l := range rangeLayouts() {
		data := writeHiberRanges(others[i], 9, testMemory())
		for _, at := range []int{0x18, 0x20} { // another time where a version that looks alike has its own
			if at != others[i].systemTime && l.word == 4 {
				binary.LittleEndian.PutUint64(data[at:], 100000000000000000)
			}
		}
		im, err := Open(newMemSource("hiberfil.sys", data), Options{})
		if err != nil {
			t.Fatal(err)
		}
		checkMemory(t, im, testMemory())
		if im.Hints.SystemTime.Year() != 2012 || !strings.HasSuffix(im.Format, l.name) {
			t.Errorf("%s: %s, %v", l.name, im.Format, im.Hints.SystemTime)
		}
	}
}

// TestHibernationDamagedBlocksAreTold damages one block, then all blocks: each damaged block is a hole, and they are
// counted.
func TestHibernationDamagedBlocksAreTold(t *testing.T) {
	runs := someRuns(1, 70, 0)
	for _, l := range rangeLayouts() {
		for _, c := range []struct {
			damaged int
			says    string
			left    int64
		}{
			{1, "1 of the 5 blocks of the hibernation file cannot be unpacked", 54 * pageSize},
			{5, "None of the 5 blocks of the hibernation file can be unpacked: these bytes are missing. The first, block 0: ", 0},
		} {
			data := writeHiberRanges(l, 9, runs)
			for _, p := range hiberParts(t, data)[:c.damaged] {
				copy(data[p.at:p.at+int64(p.size)], strings.Repeat("\xff", 64))
			}
			im, err := Open(newMemSource("hiberfil.sys", data), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if left := checkSubset(t, im, flat(runs)); left != c.left {
				t.Errorf("%s: %d blocks are damaged, and %#x bytes are left, want %#x", l.name, c.damaged, left, c.left)
			}
			if said := strings.Join(im.Damage(), "\n"); !strings.HasPrefix(said, c.says) {
				t.Errorf("%s: said %q, want %q", l.name, said, c.says)
			}
		}
	}
}
