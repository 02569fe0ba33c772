package paging

import (
	"testing"

	"memlens/memimage/sparse"
)

// lateMemory is physical memory that is slow to read. It notes the order of pages that are requested ahead, or read.
type lateMemory struct {
	sparse.Source
	ahead map[int64]bool // by page number
	read  func(page int64)
}

func (l *lateMemory) WillNeed(off, n int64) bool {
	for ; n > 0; off, n = off+pageSize, n-pageSize {
		l.ahead[off/pageSize] = true
	}
	return true
}

func (l *lateMemory) ReadAt(p []byte, off int64) (int, error) {
	l.read(off / pageSize)
	return l.Source.ReadAt(p, off)
}

// TestReadsAskAhead reads pages that lie anywhere in late memory: all must be requested before the first is read.
func TestReadsAskAhead(t *testing.T) {
	const va, pages = 0x401000, 8
	m := newMachine(t, X64)
	content := map[int64]bool{}
	for i := range Virt(pages) {
		pa := m.page(byte(i + 1))
		m.alloc() // so that the pages are no neighbours
		m.set(va+i*pageSize, uint64(pa)|entryValid)
		content[int64(pa)/pageSize] = true
	}
	mem := &lateMemory{Source: sparse.Bytes(m.mem), ahead: map[int64]bool{}}
	mem.read = func(page int64) {
		if content[page] && len(mem.ahead) < pages {
			t.Errorf("page %d is read when %d were asked for", page, len(mem.ahead))
		}
	}
	s := NewSpace(m.mode, mem, m.root, nil)
	p := make([]byte, pages*pageSize-100)
	if n, err := s.ReadVirt(p, va+50); n != len(p) || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	for i := range p {
		if want := byte((i+50)/pageSize + 1); p[i] != want {
			t.Fatalf("byte %d is %d, want %d", i, p[i], want)
		}
	}
	if len(mem.ahead) != pages {
		t.Errorf("%d pages were asked for", len(mem.ahead))
	}
	clear(mem.ahead)
	if w := s.Window(va, pages*pageSize); !w.WillNeed(2*pageSize, 3*pageSize) || len(mem.ahead) != 3 {
		t.Errorf("of three pages, %v were asked for", mem.ahead)
	}
	near := NewSpace(m.mode, sparse.Bytes(m.mem), m.root, nil)
	if near.late || near.Window(va, pageSize).WillNeed(0, pageSize) {
		t.Error("memory that is near is said to come late")
	}
}

// TestWalksAskAhead walks over late memory: tables, and pages that are read, must be requested before the walk comes
// there.
func TestWalksAskAhead(t *testing.T) {
	const va, pages = 0x401000, 40
	m := newMachine(t, X64)
	for i := range Virt(pages) {
		m.set(va+i*pageSize, uint64(m.page(1))|entryValid)
	}
	for _, reads := range []bool{false, true} {
		mem := &lateMemory{Source: sparse.Bytes(m.mem), ahead: map[int64]bool{}, read: func(int64) {}}
		unasked, n := 0, 0
		NewSpace(m.mode, mem, m.root, nil).Walk(&Walk{
			From: va, To: va + (pages-2)*pageSize, Reads: reads,
			Enter: func(f Frame) bool { return true },
			Leave: func(Frame, bool) {},
			Page: func(_ Virt, pa Phys) bool {
				if n++; !mem.ahead[int64(pa)/pageSize] {
					unasked++
				}
				return true
			},
		})
		if n != pages-2 || reads && unasked > 0 || !reads && unasked != n {
			t.Errorf("reads: %v: of %d pages, %d were not asked for", reads, n, unasked)
		}
		if tables := 3; !reads && len(mem.ahead) != tables || reads && len(mem.ahead) != tables+pages-2 {
			t.Errorf("reads: %v: %d were asked for", reads, len(mem.ahead))
		}
	}
}
