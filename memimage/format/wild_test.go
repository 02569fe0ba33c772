package format

import (
	"strings"
	"testing"
)

// TestWildRanges has a range at a petabyte beside a sound one: the memory does not become a petabyte, and what was left
// out is said.
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

// TestLargeMachines believes the addresses of a file that is as large as they ask for.
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
