package paging

import (
	"errors"
	"fmt"
	"testing"

	"memlens/memimage/sparse"
)

// walked lists the frames and pages of a walk over a whole address space.
func walked(s *Space, pass func(Frame) bool) (pages map[Virt]Phys, left int) {
	pages = map[Virt]Phys{}
	s.Walk(&Walk{
		To:    ^Virt(0),
		Enter: func(f Frame) bool { return pass == nil || pass(f) },
		Page:  func(va Virt, pa Phys) bool { pages[va] = pa; return true },
		Leave: func(f Frame, whole bool) {
			if whole {
				left++
			}
		},
	})
	return pages, left
}

// TestWalk maps some pages in every mode: a walk finds them as Translate does, and nothing else.
func TestWalk(t *testing.T) {
	for _, mode := range Modes() {
		t.Run(mode.Name, func(t *testing.T) {
			m := newMachine(t, mode)
			want := map[Virt]Phys{}
			for i, va := range []Virt{0x1000, 0x2000, 0x7fff0000, mode.Canonicalize(1<<(mode.VirtBits-1) + 0x5000), mode.Canonicalize(^Virt(0)) &^ 0xfff} {
				want[va] = m.page(byte(i))
				m.set(va, uint64(want[va])|entryValid)
			}
			pages, _ := walked(m.space(nil), nil)
			if fmt.Sprint(pages) != fmt.Sprint(want) {
				t.Errorf("walked %x, want %x", pages, want)
			}
			for va, pa := range want {
				if page, err := m.space(nil).Translate(va); err != nil || Phys(page.Off) != pa {
					t.Errorf("%#x is at %#x, error %v", uint64(va), page.Off, err)
				}
			}
			if none, _ := walked(m.space(nil), func(f Frame) bool { return f.Level == 0 }); len(none) > 0 {
				t.Errorf("tables that are passed over were walked: %x", none)
			}
		})
	}
}

// TestWalkOfMissingTables: the present part of a table is walked, and a table that is not whole is not reported as
// whole.
func TestWalkOfMissingTables(t *testing.T) {
	m := newMachine(t, X86)
	near, far := Virt(0x1000), Virt(0x300000)
	m.set(near, uint64(m.page(1))|entryValid)
	m.set(far, uint64(m.page(2))|entryValid)
	table := Phys(m.entry(m.root)) &^ 0xfff
	cut := int64(table) + 0x800 // the table's second half
	r := m.reader(sparse.Extent{Off: cut, Len: 0x800})
	pages, whole := walked(NewSpace(X86, r, m.root, nil), nil)
	if len(pages) != 1 || pages[near] == 0 || whole != 0 {
		t.Errorf("walked %x, %d tables whole", pages, whole)
	}
	failing := sparse.Whole(failingReader{}, machineSize)
	if pages, whole := walked(NewSpace(X86, failing, m.root, nil), nil); len(pages) != 0 || whole != 0 {
		t.Errorf("walked %x of what cannot be read, %d tables whole", pages, whole)
	}
}

type failingReader struct{}

func (failingReader) ReadAt([]byte, int64) (int, error) { return 0, errors.New("it fails") }

// TestWalkSkips skips memory that cannot be executed, by entries of pages and of tables.
func TestWalkSkips(t *testing.T) {
	for _, mode := range Modes() {
		m := newMachine(t, mode)
		noExecute := uint64(1) << 63
		if mode == ARM64 {
			noExecute = 3 << 53
		}
		code, data := Virt(0x1000), Virt(0x2000)
		m.set(code, uint64(m.page(1))|entryValid)
		if m.set(data, uint64(m.page(2))|entryValid); mode.EntrySize == 8 {
			m.set(data, uint64(m.page(2))|entryValid|noExecute)
		}
		var pages []Virt
		m.space(nil).Walk(&Walk{
			To: 1 << 31, Enter: func(Frame) bool { return true }, Leave: func(Frame, bool) {}, Skip: mode.NoExecute,
			Page: func(va Virt, _ Phys) bool { pages = append(pages, va); return true },
		})
		want := fmt.Sprint([]Virt{code})
		if mode.EntrySize == 4 {
			want = fmt.Sprint([]Virt{code, data})
		}
		if fmt.Sprint(pages) != want {
			t.Errorf("%s: walked %v, want %s", mode.Name, pages, want)
		}
	}
}
