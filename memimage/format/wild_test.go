package format

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// TestWildRanges has a range at a petabyte beside a sound one: the memory does not become a petabyte, and a note says
// which range was left out.
func TestWildRanges(t *testing.T) {
	page := make([]byte, pageSize)
	for name, write := range map[string]func([]run) []byte{"LiME": writeLiME, "AVML": func(r []run) []byte { return writeAVML(1, r) }} {
		for _, wild := range []uint64{1 << 50, maxMissing} {
			im, err := Open(newMemSource("a.lime", write([]run{{addr: 0x1000, data: page}, {addr: wild, data: page}})), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if size := im.Memory.Size(); size > maxMissing {
				t.Errorf("%s: memory of %#x bytes with a range at %#x", name, size, wild)
			}
			if notes := strings.Join(im.Notes, "\n"); !strings.Contains(notes, "left out: the first begins at") {
				t.Errorf("%s: the range at %#x is not named: %s", name, wild, notes)
			}
		}
	}
}

// TestLargeMachines checks that the addresses in a file are believed if the file is large enough for them.
func TestLargeMachines(t *testing.T) {
	l := newLayout(nil, 100<<40)
	l.add(200<<40, pageSize, 0)
	if l.wild != 0 || l.size != 200<<40+pageSize {
		t.Errorf("%d ranges left out, size %#x", l.wild, l.size)
	}
	if l.add(1<<52, pageSize, 0); l.wild != 1 || l.firstOut != 1<<52 {
		t.Errorf("%d ranges left out, the first at %#x", l.wild, l.firstOut)
	}
}

// TestWildContents has containers of a few bytes that claim to hold petabytes: this claim alone does not make the
// content, or the ranges in it, believed.
func TestWildContents(t *testing.T) {
	page := testPage(0x1000)
	lime := writeLiME([]run{{addr: 0x1000, data: page}, {addr: 1 << 49, data: page}})
	last := make([]byte, 16, 32) // a block of 16 bytes near 4 PiB
	binary.BigEndian.PutUint64(last, maxPhysical-32)
	binary.BigEndian.PutUint64(last[8:], 16)
	last = append(last, make([]byte, 16)...)
	for name, data := range map[string][]byte{"raw": page, "LiME": lime} {
		flat := writeFlattened(data)
		flat = slices.Insert(flat, len(flat)-16, last...)
		im, err := Open(newMemSource("a.dump", flat), Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if size := im.Memory.Size(); size > maxMissing {
			t.Errorf("%s: memory of %#x bytes", name, size)
		}
		if !noteWith(im, "which cannot be true: everything behind offset") {
			t.Errorf("%s: nothing says what is left out: %q", name, im.Notes)
		}
		got := make([]byte, len(page))
		at := map[string]int64{"LiME": 0x1000}[name]
		if _, err := im.Memory.ReadAt(got, at); err != nil || !bytes.Equal(got, page) {
			t.Errorf("%s: the page that is there: %v", name, err)
		}
	}
}

// TestRangesEndWhereAddressesDo has a range that begins below the bound on addresses and ends far above it.
func TestRangesEndWhereAddressesDo(t *testing.T) {
	l := newLayout(nil, 1<<20)
	l.addFrom(fill(0), maxPhysical, 0x1000, 1<<50, 0)
	if l.size != maxMissing || l.wild != 1 || l.firstOut != maxMissing || len(l.missing) > 0 || l.end > 0 {
		t.Errorf("%#x bytes of memory, %d ranges left out, the first at %#x, %v missing, file to end at %#x", l.size, l.wild, l.firstOut, l.missing, l.end)
	}
}
