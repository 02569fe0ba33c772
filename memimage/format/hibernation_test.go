package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"memlens/memimage/synth/corpus"
)

func putWord(b []byte, off, size int, v uint64) {
	if size == 4 {
		binary.LittleEndian.PutUint32(b[off:], uint32(v))
		return
	}
	binary.LittleEndian.PutUint64(b[off:], v)
}

// pieces cuts runs into runs of at most so many pages.
func pieces(runs []run, most int) []run {
	var out []run
	for _, r := range runs {
		for i := 0; i < len(r.data); i += most * pageSize {
			out = append(out, run{r.addr + uint64(i), r.data[i:min(i+most*pageSize, len(r.data))]})
		}
	}
	return out
}

// writeHiberRanges writes a file of Windows XP to 7, with so many ranges in a table.
func writeHiberRanges(l rangeLayout, perTable int, runs []run) []byte {
	const first = 5
	out := make([]byte, first*pageSize)
	copy(out, "hibr")
	binary.LittleEndian.PutUint32(out[l.firstTable:], first)
	binary.LittleEndian.PutUint64(out[l.systemTime:], 130000000000000000)
	registers := 2*pageSize + 0x2cc
	if l.word == 8 {
		registers = 2 * pageSize
	}
	for i, v := range []uint64{0x80010031, 0, 0x187000, 0x6f8} {
		putWord(out, registers+i*l.word, l.word, v)
	}
	ranges := pieces(runs, 3)
	for len(ranges) > 0 {
		n := min(perTable, len(ranges))
		table := make([]byte, pageSize)
		putWord(table, l.count, 4, uint64(n))
		if l.next > 0 { // the address of the next table in memory, which Windows leaves there
			putWord(table, 0, l.word, 0xfffffa8084321000)
		}
		var data []byte
		for i, r := range ranges[:n] {
			if l.start > 0 { // the page of the file where the range's data begins
				putWord(table, l.link+i*l.size, l.word, uint64(len(out)/pageSize+1))
			}
			putWord(table, l.link+i*l.size+l.start, l.word, r.addr/pageSize)
			putWord(table, l.link+i*l.size+l.end, l.word, (r.addr+uint64(len(r.data)))/pageSize)
			data = append(data, r.data...)
		}
		var packed []byte
		for i := 0; i < len(data); i += hiberBlock {
			packed = append(packed, xpressBlockOf(data[i:min(i+hiberBlock, len(data))])...)
		}
		packed = append(packed, make([]byte, -len(packed)&(pageSize-1))...)
		if ranges = ranges[n:]; len(ranges) > 0 {
			putWord(table, l.next, l.word, uint64(len(out)+len(table)+len(packed))/pageSize)
		}
		out = append(append(out, table...), packed...)
	}
	return out
}

func xpressBlockOf(data []byte) []byte {
	packed := packLZ77(data)
	if len(packed) >= len(data) {
		packed = data
	}
	h := make([]byte, xpressHeader)
	copy(h, xpressMagic)
	binary.LittleEndian.PutUint32(h[8:], uint32(len(packed)-1)<<10|uint32(len(data)/pageSize-1))
	packed = append(h, packed...)
	return append(packed, make([]byte, -len(packed)&7)...)
}

// writeHiberSets writes a file of Windows 8 to 11: the first runs in the boot section, the last in the kernel's.
func writeHiberSets(l setLayout, runs []run) []byte {
	return writeHiberSetsAs(l, runs, func(set int) int { return set % 3 })
}

// writeHiberSetsAs writes such a file; kind returns the compression of a set.
func writeHiberSetsAs(l setLayout, runs []run, kind func(set int) int) []byte {
	const boot = 7
	out := make([]byte, boot*pageSize)
	copy(out, "HIBR")
	binary.LittleEndian.PutUint32(out[l.pageSize:], pageSize)
	if len(l.lengths) > 0 {
		binary.LittleEndian.PutUint32(out[0xc:], l.lengths[0])
	}
	binary.LittleEndian.PutUint64(out[l.systemTime:], 130000000000000000)
	section := func(runs []run) (pages uint64) {
		for i, r := range pieces(runs, 5) {
			pages += uint64(len(r.data) / pageSize)
			out = append(out, setOf(l.word, kind(i), r)...)
		}
		out = append(out, make([]byte, pageSize-len(out)%pageSize)...)
		return pages
	}
	putWord(out, l.boot, l.word, boot)
	loaderPages := section(runs[:1])
	binary.LittleEndian.PutUint64(out[l.loaderPages:], loaderPages)
	putWord(out, l.kernel, l.word, uint64(len(out)/pageSize))
	if pages := section(runs[1:]); l.kernelPages != 0 {
		putWord(out, l.kernelPages, l.word, pages)
	}
	return out
}

// setOf writes a compression set of two ranges, with a compression.
func setOf(word, compression int, r run) []byte {
	ranges := pieces([]run{r}, 4)
	packed, kind := r.data, uint32(0)
	switch compression {
	case hiberLZ77:
		packed = packLZ77(r.data)
	case hiberHuffman:
		packed, kind = packHuffman(r.data), 2
	}
	if len(packed) >= len(r.data) {
		packed = r.data
	}
	out := binary.LittleEndian.AppendUint32(nil, uint32(len(ranges))|uint32(len(packed))<<8|kind<<30)
	for _, r := range ranges {
		d := r.addr/pageSize<<4 | uint64(len(r.data)/pageSize-1)
		if word == 4 {
			out = binary.LittleEndian.AppendUint32(out, uint32(d))
		} else {
			out = binary.LittleEndian.AppendUint64(out, d)
		}
	}
	return append(out, packed...)
}

func hiberWrappings() []wrapping {
	var out []wrapping
	for _, l := range rangeLayouts() {
		name := "Windows hibernation file, " + l.name
		out = append(out, wrapping{name: name, format: name, write: file("hiberfil.sys", func(r []run) []byte { return writeHiberRanges(l, 9, r) })})
	}
	for _, l := range setLayouts() {
		if len(l.lengths) == 0 {
			continue
		}
		name := "Windows hibernation file, " + l.name
		out = append(out, wrapping{name: name, format: name, write: file("hiberfil.sys", func(r []run) []byte { return writeHiberSets(l, r) })})
	}
	return out
}

func TestHibernationHints(t *testing.T) {
	for _, l := range rangeLayouts() {
		im, err := Open(newMemSource("hiberfil.sys", writeHiberRanges(l, 9, testMemory())), Options{})
		if err != nil {
			t.Fatal(err)
		}
		h := im.Hints
		if len(h.CPUs) != 1 || h.CPUs[0].CR3 != 0x187000 || h.CPUs[0].CR4 != 0x6f8 || h.SystemTime.Year() != 2012 || (h.Machine == 0x14c) != (l.word == 4) {
			t.Errorf("%s: %+v", l.name, h)
		}
	}
}

func TestHibernationWithoutHeader(t *testing.T) {
	corpus.Long(t)
	for _, w := range hiberWrappings() {
		src := w.write(t, testMemory())
		data := make([]byte, src.Size())
		if _, err := src.ReadAt(data, 0); err != nil {
			t.Fatal(err)
		}
		clear(data[:pageSize])
		im, err := Open(newMemSource("hiberfil.sys", data), Options{})
		if err != nil {
			t.Errorf("%s: %v", w.name, err)
			continue
		}
		if !noteWith(im, "wiped") {
			t.Errorf("%s: notes %q", w.name, im.Notes)
		}
		checkMemory(t, im, testMemory())
	}
}

func TestHibernationOfAnUnknownVersionIsReadAsFarAsItGoes(t *testing.T) {
	for _, l := range setLayouts() {
		if len(l.lengths) > 0 {
			continue
		}
		l.lengths = []uint32{0x500}
		im, err := Open(newMemSource("hiberfil.sys", writeHiberSets(l, testMemory())), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !noteWith(im, "0x500") {
			t.Errorf("notes %q", im.Notes)
		}
		checkMemory(t, im, testMemory())
	}
}

func TestHibernationMarks(t *testing.T) {
	for magic, resumed := range map[string]bool{"WAKE": true, "RSTR": true, "HORM": false, "BRKP": false, "wake": true, "brkp": false} {
		for _, data := range [][]byte{writeHiberSets(setLayouts()[0], testMemory()), writeHiberRanges(rangeLayouts()[0], 9, testMemory())} {
			copy(data, magic)
			im, err := Open(newMemSource("hiberfil.sys", data), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if noteWith(im, "was resumed") != resumed {
				t.Errorf("%s: notes %q", magic, im.Notes)
			}
			checkMemory(t, im, testMemory())
		}
	}
}

func TestHibernationEmptyIsNamed(t *testing.T) {
	for length, says := range map[uint32]string{0: "without memory in it", 0x4d8: "without memory in it", 0x60: "Windows 2000"} {
		data := make([]byte, 1<<20)
		copy(data, "WAKE")
		binary.LittleEndian.PutUint32(data[0xc:], length)
		binary.LittleEndian.PutUint32(data[0x18:], pageSize)
		_, err := Open(newMemSource("hiberfil.sys", data), Options{})
		if err == nil || errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), says) {
			t.Errorf("%#x: %v", length, err)
		}
	}
}

func TestHibernationDamagedBlockIsAGap(t *testing.T) {
	runs := testMemory()
	data := writeHiberRanges(rangeLayouts()[0], 200, runs)
	copy(data[6*pageSize+xpressHeader:], strings.Repeat("\xff", 100))
	im, err := Open(newMemSource("hiberfil.sys", data), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := checkSubset(t, im, flat(runs)); got != testMemorySize-hiberBlock {
		t.Errorf("%#x bytes are readable, want %#x", got, testMemorySize-hiberBlock)
	}
}

// hiberParts returns the blocks of a hibernation file.
func hiberParts(t *testing.T, data []byte) []packedBlock {
	in := newInput(newMemSource("hiberfil.sys", data), Options{})
	h := &hiberFile{input: in, head: fields(data[:pageSize]), layout: in.newLayout()}
	h.stream = h.newBlocks(&h.index, hiberBlock, h.load)
	if _, err := h.open(); err != nil {
		t.Fatal(err)
	}
	return h.parts
}

// TestHibernationDamagedSetsAreTold damages one set, then all sets: each damaged set is a hole, and they are counted.
func TestHibernationDamagedSetsAreTold(t *testing.T) {
	text := func(n int) []byte {
		return bytes.Repeat([]byte("All of this can be packed well.\n"), n*pageSize/32)
	}
	runs := []run{{0x1000, text(1)}, {0x8000, text(40)}}
	write := func() []byte {
		return writeHiberSetsAs(setLayouts()[0], runs, func(set int) int { return hiberLZ77 + set%2 })
	}
	parts := hiberParts(t, write())
	for _, c := range []struct {
		damaged []packedBlock
		says    string
		left    int64
	}{
		{nil, "", 41 * pageSize},
		{parts[2:3], "1 of the 9 blocks of the hibernation file cannot be unpacked: these bytes are missing. The first, block 2: ", 36 * pageSize},
		{parts, "None of the 9 blocks of the hibernation file can be unpacked: these bytes are missing. The first, block 0: ", 0},
	} {
		data := write()
		for _, p := range c.damaged {
			copy(data[p.at:p.at+int64(p.size)], strings.Repeat("\xff", 64))
		}
		im, err := Open(newMemSource("hiberfil.sys", data), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if left := checkSubset(t, im, flat(runs)); left != c.left {
			t.Errorf("%d sets are damaged, and %#x bytes are left, want %#x", len(c.damaged), left, c.left)
		}
		if said := strings.Join(im.Damage(), "\n"); !strings.HasPrefix(said, c.says) || (said == "") != (c.says == "") {
			t.Errorf("%d sets are damaged: said %q, want %q", len(c.damaged), said, c.says)
		}
	}
}

func FuzzHibernation(f *testing.F) {
	runs := []run{{0x1000, testPages(0x1000, 4)}, {0x8000, testPages(0x8000, 20)}}
	for _, l := range rangeLayouts() {
		f.Add(writeHiberRanges(l, 3, runs))
	}
	for _, l := range setLayouts() {
		l.lengths = append(l.lengths, 0x500)
		f.Add(writeHiberSets(l, runs))
	}
	fuzzOpener(f, openHibernation)
}
