package restore

import (
	"slices"
	"strings"
	"testing"
)

// TestLoaderSlots restores a program with filled guard pointers and cookie. The compiler has put all guard pointers
// into a separate section.
func TestLoaderSlots(t *testing.T) {
	for _, name := range []string{"guard32", "guard64"} {
		for _, load := range []uint64{0, movedBase(name)} {
			file := programFile(t, name)
			p := loadProgram(t, file, true, load).bind(true).fillSlots()
			if r := restored(t, p.input(sources{mapped: all, own: all})); !same(file, r) || r.Summary().Left != 0 {
				t.Errorf("%s at %#x: the image section's pages are there, and not taken: %+v", name, load, r.Rows)
			}
			r := restored(t, p.input(sources{mapped: func(rva int64) bool { return p.Own[rva] == nil }, own: all}))
			check(t, file, r)
			cfg, data := p.PE.Section(".00cfg"), p.PE.Section(".data")
			for _, off := range differences(file, r) {
				inCFG := off >= int64(cfg.Offset) && off < int64(cfg.Offset+cfg.VirtualSize)
				if n := int64(len(p.Pointer(0))); !inCFG && (off < int64(data.Offset)+n || off >= int64(data.Offset)+2*n) {
					t.Errorf("%s at %#x: byte %#x differs", name, load, off)
				}
			}
			want := map[string]int{".00cfg": int(cfg.VirtualSize) / len(p.Pointer(0)), ".data": 1}
			for _, row := range r.Rows {
				if row.SlotsLeft != want[row.Section] || row.RelocationsLeft != 0 || (row.SlotsLeft > 0) != strings.Contains(row.Note, noteSlots) {
					t.Errorf("%s at %#x: %+v", name, load, row)
				}
				if row.SlotsLeft > 0 && row.Certainty() != Left {
					t.Errorf("%s at %#x: %s is %s", name, load, row.Section, row.Certainty())
				}
			}
		}
	}
}

// TestUnfilledSlots has the process copy the page of the guard pointers without setting them, as a Windows without
// guard support does: they are relocated back.
func TestUnfilledSlots(t *testing.T) {
	for _, name := range []string{"guard32", "guard64"} {
		file := programFile(t, name)
		p := loadProgram(t, file, true, movedBase(name))
		r := restored(t, p.input(sources{own: all, processOnly: true}))
		if check(t, file, r); !same(file, r) || r.Summary().Left != 0 {
			t.Errorf("%s: %+v", name, r.Rows)
		}
	}
}

// TestSlotsThatOverlap has a slot that reaches into the next page, and one behind it that ends before.
func TestSlotsThatOverlap(t *testing.T) {
	reaches, ends, next := loaderSlot{0xffa, 8, guardSlot}, loaderSlot{0xffb, 4, indexSlot}, loaderSlot{0x1ffe, 4, indexSlot}
	w := &work{slots: []loaderSlot{reaches, ends, next}}
	for rva, want := range map[uint32][]loaderSlot{0: {reaches, ends}, 0x1000: {reaches, next}, 0x2000: {next}, 0x3000: nil} {
		if got := w.slotsIn(rva); !slices.Equal(got, want) {
			t.Errorf("in the page at %#x: %v, want %v", rva, got, want)
		}
	}
}
