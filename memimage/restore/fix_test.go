package restore

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// TestNotesAreSaidOnce has a page with many relocations of one slot that begins in a missing page, and several
// resolved delay imports: each note is there once, however often it applies.
func TestNotesAreSaidOnce(t *testing.T) {
	row := Row{}
	p := &pageFix{row: &row}
	for range 1 << 16 {
		p.note(noteHeader)
		p.note(noteCarry)
	}
	if want := noteHeader + "; " + noteCarry; row.Note != want {
		t.Errorf("a note of %d bytes, want %q", len(row.Note), want)
	}
	for _, name := range []string{"delay32", "delay64"} {
		p := loadProgram(t, programFile(t, name), true, movedBase(name)).bind(true)
		p.resolveDelayed()
		r := restored(t, p.input(sources{own: all, processOnly: true}))
		for _, row := range r.Rows {
			for _, note := range strings.Split(row.Note, "; ") {
				if strings.Count(row.Note, note) > 1 {
					t.Errorf("%s, RVA %#x: %q is said twice in %q", name, row.RVA, note, row.Note)
				}
			}
		}
	}
}

// TestManyStubsOfOneThunk searches code that is full of stubs of one thunk.
func TestManyStubsOfOneThunk(t *testing.T) {
	const base, thunk = 0x400000, 0x5000
	w := newWork(Input{})
	w.base = base
	stub := append(binary.LittleEndian.AppendUint32([]byte{0xb8}, base+thunk), 0xe9)
	found := map[uint32][]uint32{thunk: nil}
	w.scanStubs(bytes.Repeat(stub, 1<<20), 0x1000, found)
	if n := len(found[thunk]); n != 2 {
		t.Errorf("%d stubs are kept, want 2: the thunk has more than one", n)
	}
}
