package format

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"
)

// crashHead writes the header of a crash dump with "PAGE" in the fields that are not filled in, as Windows does.
func crashHead(l crashLayout, dumpType uint32, runs []run) []byte {
	h := bytes.Repeat([]byte("PAGE"), l.headerSize/4)
	copy(h, l.magic)
	put := func(off int, v uint64) {
		if l.word == 4 {
			binary.LittleEndian.PutUint32(h[off:], uint32(v))
		} else {
			binary.LittleEndian.PutUint64(h[off:], v)
		}
	}
	u32 := func(off int, v uint32) { binary.LittleEndian.PutUint32(h[off:], v) }
	u32(8, 15)
	u32(12, 7601)
	put(l.dtb, 0x187000)
	put(l.processes, 0x8055c4d0)
	put(l.kdbg, 0x8055c000)
	u32(l.machine, map[int]uint32{4: 0x14c, 8: 0x8664}[l.word])
	u32(l.processors, 2)
	u32(l.dumpType, dumpType)
	binary.LittleEndian.PutUint64(h[l.systemTime:], 130000000000000000)
	if l.pae != 0 {
		h[l.pae] = 1
	}
	put(l.runs, 0)
	u32(l.runs, uint32(len(runs)))
	var pages uint64
	for i, r := range runs {
		at := l.runs + 2*l.word + i*2*l.word
		put(at, r.addr/pageSize)
		put(at+l.word, uint64(len(r.data)/pageSize))
		pages += uint64(len(r.data) / pageSize)
	}
	put(l.runs+l.word, pages)
	return h
}

func writeCrashFull(l crashLayout, runs []run) []byte {
	out := crashHead(l, crashFull, runs)
	for _, r := range runs {
		out = append(out, r.data...)
	}
	return out
}

// crashBitmapOf returns the page bitmap of runs and how many pages they have.
func crashBitmapOf(runs []run) (bitmap []byte, pages uint64) {
	last := runs[len(runs)-1]
	bitmap = make([]byte, (last.addr+uint64(len(last.data)))/pageSize/8+9)
	for _, r := range runs {
		for i := range uint64(len(r.data) / pageSize) {
			page := r.addr/pageSize + i
			bitmap[page/8] |= 1 << (page % 8)
			pages++
		}
	}
	return bitmap, pages
}

// writeCrashBitmap writes a bitmap dump in the newer or the older form.
func writeCrashBitmap(l crashLayout, dumpType uint32, older bool, runs []run) []byte {
	out := crashHead(l, dumpType, runs)
	bitmap, pages := crashBitmapOf(runs)
	at := 0x38
	if older {
		at = 0x18 + 2*l.word
	}
	size := (at + len(bitmap) + pageSize - 1) / pageSize * pageSize
	h := make([]byte, size)
	copy(h, "SDMPDUMP")
	data := uint64(l.headerSize + size)
	if older {
		binary.LittleEndian.PutUint32(h[0x0c:], uint32(data))
		binary.LittleEndian.PutUint32(h[0x10:], uint32(len(bitmap)*8))
		binary.LittleEndian.PutUint32(h[0x14:], uint32(pages))
	} else {
		binary.LittleEndian.PutUint64(h[0x20:], data)
		binary.LittleEndian.PutUint64(h[0x28:], pages)
		binary.LittleEndian.PutUint64(h[0x30:], uint64(len(bitmap)*8))
	}
	copy(h[at:], bitmap)
	out = append(out, h...)
	for _, r := range runs {
		out = append(out, r.data...)
	}
	return out
}

func writeCrashRanges(l crashLayout, runs []run) []byte {
	out := crashHead(l, crashRangesFull, runs)
	h := make([]byte, 0x30, 0x1000)
	binary.LittleEndian.PutUint32(h, 0x40)
	copy(h[4:], "RDMPDUMP")
	binary.LittleEndian.PutUint32(h[0x20:], uint32(len(runs)))
	for _, r := range runs {
		binary.LittleEndian.PutUint64(h[0x28:], fields(h).u64(0x28)+uint64(len(r.data)/pageSize))
		h = binary.LittleEndian.AppendUint64(h, r.addr/pageSize)
		h = binary.LittleEndian.AppendUint64(h, uint64(len(r.data)/pageSize))
	}
	h = append(h, make([]byte, 64)...)
	binary.LittleEndian.PutUint64(h[0x10:], uint64(len(h)-0x20))
	binary.LittleEndian.PutUint64(h[0x18:], uint64(l.headerSize+len(h)))
	out = append(out, h...)
	for _, r := range runs {
		out = append(out, r.data...)
	}
	return out
}

// TestCrashRangesKeepTheirNumbers has lists that name more or fewer pages than the header says. Pages that the header
// does not count are no memory, although the file goes on.
func TestCrashRangesKeepTheirNumbers(t *testing.T) {
	l := crashLayouts()[0]
	runs := []run{{0x1000, testPages(0x1000, 4)}, {0x100000, testPages(0x100000, 4)}}
	at := l.headerSize
	for name, c := range map[string]struct {
		off    int
		value  uint64
		doubt  string
		served []run
	}{
		"fewer pages":  {0x28, 6, "2 pages more", []run{runs[0], {0x100000, runs[1].data[:2*pageSize]}}},
		"more pages":   {0x28, 9, "1 page less", runs},
		"fewer ranges": {0x20, 1, "4 pages less", runs[:1]},
		"more ranges":  {0x20, 3, "1 range before", runs},
		"other size":   {0x10, 0x7777, "do not agree", runs},
	} {
		data := writeCrashRanges(l, runs)
		if c.off == 0x20 {
			binary.LittleEndian.PutUint32(data[at+c.off:], uint32(c.value))
		} else {
			binary.LittleEndian.PutUint64(data[at+c.off:], c.value)
		}
		im, err := Open(newMemSource("a.dmp", append(data, testPages(0x9000, 3)...)), Options{})
		if err != nil {
			t.Fatal(name, err)
		}
		if len(im.Doubts) != 1 || !strings.Contains(im.Doubts[0], c.doubt) {
			t.Errorf("%s: doubts %q", name, im.Doubts)
		}
		checkMemory(t, im, c.served)
	}
}

func TestCrashDumpHints(t *testing.T) {
	for _, l := range crashLayouts() {
		im, err := Open(newMemSource("a.dmp", writeCrashFull(l, testMemory())), Options{})
		if err != nil {
			t.Fatal(err)
		}
		h := im.Hints
		if h.DTB != 0x187000 || h.PsActiveProcessHead != 0x8055c4d0 || h.KDBG != 0x8055c000 || h.PsLoadedModuleList != 0 {
			t.Errorf("%s: hints %+v", l.name, h)
		}
		if h.Processors != 2 || h.BuildNumber != 7601 || !h.SystemTime.Equal(time.Date(2012, 12, 14, 23, 6, 40, 0, time.UTC)) {
			t.Errorf("%s: hints %+v", l.name, h)
		}
		if (h.PAE != nil && *h.PAE) != (l.word == 4) {
			t.Errorf("%s: PAE %v", l.name, h.PAE)
		}
	}
}

func TestCrashDumpDamagedHeaders(t *testing.T) {
	l := crashLayouts()[0]
	good := writeCrashFull(l, testMemory())
	change := func(off int, v uint64) []byte {
		b := bytes.Clone(good)
		binary.LittleEndian.PutUint64(b[off:], v)
		return b
	}
	for _, c := range []struct {
		name, note string
		data       []byte
	}{
		{"too many runs", "room for", change(l.runs, 0xffffffff)},
		{"wild page", "damaged", change(l.runs+2*l.word, 1<<60)},
		{"wild count", "damaged", change(l.runs+3*l.word, 1<<60)},
		{"unknown type", "type 0x63", change(l.dumpType, 99)},
	} {
		im, err := Open(newMemSource("a.dmp", c.data), Options{})
		if err != nil {
			if c.name == "wild page" || c.name == "wild count" {
				continue // nothing is left to serve
			}
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !noteWith(im, c.note) {
			t.Errorf("%s: notes %q", c.name, im.Notes)
		}
	}
}

func FuzzCrashDump(f *testing.F) {
	runs := []run{{0x1000, testPages(0x1000, 1)}, {0x5000, testPages(0x5000, 2)}}
	for _, l := range crashLayouts() {
		f.Add(writeCrashFull(l, runs))
		f.Add(writeCrashBitmap(l, crashBitmapFull, false, runs))
		f.Add(writeCrashBitmap(l, crashSummary, true, runs))
		f.Add(writeCrashRanges(l, runs))
	}
	fuzzOpener(f, openCrashDump)
}
