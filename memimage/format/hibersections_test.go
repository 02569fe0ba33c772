package format

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"memlens/memimage/synth/corpus"
)

// knownSets returns the layouts of known versions, one for each length of a header.
func knownSets() []setLayout {
	var out []setLayout
	for _, l := range setLayouts() {
		for _, n := range l.lengths {
			l.lengths = []uint32{n}
			out = append(out, l)
		}
	}
	return out
}

// layoutOf returns the layout of a header of that length.
func layoutOf(t *testing.T, length uint32) setLayout {
	for _, l := range knownSets() {
		if l.lengths[0] == length {
			return l
		}
	}
	t.Fatalf("no layout of %#x bytes", length)
	return setLayout{}
}

// TestHibernationHeadersOfEveryLength has each field where LeechCore's table and the symbols of Windows have it, so that
// the list of layouts cannot be wrong in the writer and the reader alike.
func TestHibernationHeadersOfEveryLength(t *testing.T) {
	for _, c := range []struct {
		length                                            uint32
		word, pageSize, time, loader, boot, kernel, pages int
	}{
		{0x4d8, 8, 0x18, 0x20, 0x58, 0x68, 0x70, 0x238}, // build 26100
		{0x448, 8, 0x18, 0x20, 0x58, 0x68, 0x70, 0x230}, // 20348, 22000, 22621
		{0x3e0, 8, 0x18, 0x20, 0x58, 0x68, 0x70, 0x230}, // 17763 to 19041
		{0x3d8, 8, 0x18, 0x20, 0x58, 0x68, 0x70, 0x230}, // 15063 to 17134
		{0x3c8, 8, 0x18, 0x20, 0x58, 0x68, 0x70, 0x220}, // 14393
		{0x3b0, 8, 0x18, 0x20, 0x58, 0x68, 0x70, 0x218}, // 10240, 10586
		{0x360, 8, 0x18, 0x20, 0x58, 0x60, 0x68, 0x1c8}, // 9200, 9600
		{0x340, 4, 0x14, 0x18, 0x48, 0x50, 0x54, 0x210}, // 17763 to 19041
		{0x338, 4, 0x14, 0x18, 0x48, 0x50, 0x54, 0x210}, // 15063 to 17134
		{0x328, 4, 0x14, 0x18, 0x48, 0x50, 0x54, 0x200}, // 14393
		{0x310, 4, 0x14, 0x18, 0x48, 0x50, 0x54, 0x1f8}, // 10240, 10586
		{0x2c8, 4, 0x14, 0x18, 0x48, 0x50, 0x54, 0x1b0}, // 9200, 9600
	} {
		l := setLayout{lengths: []uint32{c.length}, word: c.word, pageSize: c.pageSize, systemTime: c.time, loaderPages: c.loader, boot: c.boot, kernel: c.kernel, kernelPages: c.pages}
		im, err := Open(newMemSource("hiberfil.sys", writeHiberSets(l, testMemory())), Options{})
		if err != nil {
			t.Fatal(err)
		}
		checkMemory(t, im, testMemory())
		if len(im.Notes) != 2 || im.Hints.SystemTime.Year() != 2012 || (im.Hints.Machine == 0x14c) != (c.word == 4) {
			t.Errorf("%#x: %+v, notes %q", c.length, im.Hints, im.Notes)
		}
	}
	if n := len(knownSets()); n != 12 {
		t.Errorf("%d lengths are known", n)
	}
}

// behindKernel writes a file with more behind its kernel section, directly.
func behindKernel(t *testing.T, l setLayout, runs []run, more ...[]byte) []byte {
	data := writeHiberSets(l, runs)
	kernel := int64(word(data, l.kernel, l.word)) * pageSize
	end := kernel
	for _, p := range hiberParts(t, data) {
		if p.at > kernel {
			end = max(end, p.at+int64(p.size))
		}
	}
	data = data[:end]
	for _, m := range more {
		data = append(data, m...)
	}
	return append(data, make([]byte, pageSize)...)
}

// writeHiberChain writes a set for each run.
func writeHiberChain(word int, runs ...run) []byte {
	var out []byte
	for _, r := range runs {
		out = append(out, setOf(word, hiberLZ77, r)...)
	}
	return out
}

// TestHibernationSetsBehindTheEnd has sets of an earlier hibernation directly behind the sets that the header counts.
func TestHibernationSetsBehindTheEnd(t *testing.T) {
	runs := testMemory()
	stale := setOf(8, hiberLZ77, run{0x1000, testPages(0x77000, 5)})
	fresh := setOf(8, hiberHuffman, run{0x9000000, testPages(0x9000000, 5)})
	long := writeHiberChain(8, run{0x9000000, testPages(0x9000000, 5)}, run{0x9010000, testPages(0x9010000, 5)}, run{0x9020000, testPages(0x9020000, 5)}, run{0x9030000, testPages(0x9030000, 5)})
	longer := append([]run{}, append(runs, run{0x9000000, testPages(0x9000000, 5)}, run{0x9010000, testPages(0x9010000, 5)}, run{0x9020000, testPages(0x9020000, 5)}, run{0x9030000, testPages(0x9030000, 5)})...)
	newer := append([]run{}, append(runs, run{0x9000000, testPages(0x9000000, 5)})...)
	pages := uint64(0x31 + 0x11)
	other := func(off int, n uint64) func([]byte) {
		return func(data []byte) { binary.LittleEndian.PutUint64(data[off:], n) }
	}
	for _, c := range []struct {
		name   string
		length uint32
		more   [][]byte
		change func(data []byte)
		want   []run
		says   string
	}{
		{"as the header says", 0x4d8, [][]byte{stale}, nil, runs, "1 compression set follows directly"},
		{"new ones, as the header says", 0x3e0, [][]byte{fresh}, nil, runs, "1 compression set follows directly"},
		{"many new ones", 0x3e0, [][]byte{long}, nil, longer, "and 20 more in 4 compression sets directly behind"},
		{"many new ones, and an old one", 0x3e0, [][]byte{long, stale}, nil, runs, "5 compression sets follow directly"},
		{"the number of another version, of all", 0x4d8, nil, other(0x238, 5), runs, "assumed to have 66 pages"},
		{"none but elsewhere", 0x3e0, nil, func(d []byte) { other(0x230, 0)(d); other(0x238, pages)(d) }, runs, "assumed to have 66 pages"},
		{"too many, but elsewhere", 0x3e0, nil, func(d []byte) { other(0x230, 1<<40)(d); other(0x238, pages)(d) }, runs, "assumed to have 66 pages"},
		{"within a set", 0x3e0, nil, other(0x230, 3), runs, "no set ends with the 3 pages"},
		{"within a set, then an old one", 0x3e0, [][]byte{stale, fresh}, other(0x230, 3), runs, "2 more compression sets follow (10 pages)"},
		{"within a set, then a new one", 0x3e0, [][]byte{fresh, stale}, other(0x230, 3), newer, "1 more compression set follows (5 pages)"},
		{"no number", 0x3e0, [][]byte{stale}, other(0x230, 0), runs, "its header does not say how many"},
		{"another length", 0x3e0, [][]byte{stale}, func(d []byte) { binary.LittleEndian.PutUint32(d[0xc:], 0x500) }, runs, "a length of 0x500"},
		{"another length, and no more", 0x4d8, nil, func(d []byte) { binary.LittleEndian.PutUint32(d[0xc:], 0x500) }, runs, "assumed to have 66 pages"},
	} {
		l := layoutOf(t, c.length)
		data := behindKernel(t, l, runs, c.more...)
		if c.name == "the number of another version, of all" {
			other(0x230, pages)(data)
		}
		if c.change != nil {
			c.change(data)
		}
		im, err := Open(newMemSource("hiberfil.sys", data), Options{})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if !noteWith(im, c.says) {
			t.Errorf("%s: notes %q", c.name, im.Notes)
		}
		t.Run(c.name, func(t *testing.T) { checkMemory(t, im, c.want) })
	}
}

// TestHibernationWithoutHeaderStopsAtOldSets has no header, and sets of an earlier hibernation behind the new ones.
func TestHibernationWithoutHeaderStopsAtOldSets(t *testing.T) {
	stale := setOf(8, hiberLZ77, run{0x100000, testPages(0x77000, 5)})
	data := behindKernel(t, setLayouts()[0], testMemory(), stale)
	clear(data[:pageSize])
	im, err := Open(newMemSource("hiberfil.sys", data), Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkMemory(t, im, testMemory())
	if !noteWith(im, "1 more compression set follows (5 pages)") {
		t.Errorf("notes %q", im.Notes)
	}
}

// TestHibernationOfAnUnknownVersionTruncated ends within a set, and no header says how many sets there should be.
func TestHibernationOfAnUnknownVersionTruncated(t *testing.T) {
	corpus.Long(t)
	l := setLayouts()[0]
	whole := behindKernel(t, l, testMemory())
	whole = whole[:len(whole)-pageSize]
	binary.LittleEndian.PutUint32(whole[0xc:], 0x500)
	binary.LittleEndian.PutUint64(whole[l.kernelPages:], 0)
	for _, wiped := range []bool{false, true} {
		if wiped {
			clear(whole[:pageSize])
		}
		im, err := Open(newMemSource("hiberfil.sys", whole[:len(whole)-1]), Options{})
		if err != nil {
			t.Fatal(err)
		}
		checkSubset(t, im, flat(testMemory()))
		if len(im.Truncated) != 1 || !noteWith(im, "truncated") {
			t.Errorf("notes %q", im.Notes)
		}
	}
}

// TestHibernationHeaderTells has headers that name a section that is not read, fast startup, and a section without a
// place.
func TestHibernationHeaderTells(t *testing.T) {
	corpus.Long(t)
	for _, l := range knownSets() {
		for _, c := range []struct {
			off  int
			v    uint64
			says string
		}{
			{l.hiberboot, 1, "fast startup"},
			{l.secure, 0x1234, "at page 0x1234 of the file"},
			{l.kernel, 0, "no place for it"},
		} {
			if c.off == 0 {
				continue
			}
			data := writeHiberSets(l, testMemory())
			putWord(data, c.off, 4, c.v)
			im, err := Open(newMemSource("hiberfil.sys", data), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if !noteWith(im, c.says) {
				t.Errorf("%s, %#x: notes %q", l.name, l.lengths[0], im.Notes)
			}
		}
	}
}

// TestHibernationCompressions has the four numbers of a compression, and pages that are stored under each.
func TestHibernationCompressions(t *testing.T) {
	page := []byte(strings.Repeat("All of this can be packed well.\n", pageSize/32))
	for kind, packed := range [][]byte{packLZ77(page), packLZ77(page), packHuffman(page), packHuffman(page)} {
		for _, stored := range []bool{false, true} {
			if stored {
				packed = page
			}
			l := setLayouts()[0]
			data := writeHiberSets(l, []run{{0x1000, page}})
			boot := int(word(data, l.boot, l.word)) * pageSize
			clear(data[boot:])
			binary.LittleEndian.PutUint32(data[boot:], uint32(1|len(packed)<<8|kind<<30))
			binary.LittleEndian.PutUint64(data[boot+4:], 1<<4)
			copy(data[boot+12:], packed)
			im, err := Open(newMemSource("hiberfil.sys", append(data, make([]byte, pageSize)...)), Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Run(fmt.Sprint(kind, stored), func(t *testing.T) { checkMemory(t, im, []run{{0x1000, page}}) })
		}
	}
}
