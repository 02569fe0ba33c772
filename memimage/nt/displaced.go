package nt

import (
	"encoding/binary"
	"fmt"

	"memlens/memimage/paging"
	"memlens/memimage/sparse"
)

// The memory of ARM64 systems begins at an address that differs from board to board, and seldom at 0. A file without
// headers has its first byte at 0 all the same. Its root tables still show where it begins: the entry that maps the table
// itself has the address that it would have.

// Limits on pages that are taken for root tables of a memory that begins elsewhere.
const (
	displacedLeast = 4       // entries of the system's half that are in use
	displacedUnit  = 1 << 20 // bytes that divide the address at which memory begins
	displacedMost  = 1 << 12 // tables that are followed
)

// displaced appends a root table in a mode of an architecture that is only named. It does so if p, at address pa of the
// file, is such a table of a memory that begins elsewhere.
func (f *finder) displaced(out []window, m *paging.Mode, p []byte, pa paging.Phys) []window {
	for _, entry := range displacedSelves(m, p) {
		begin := paging.Phys(entry&m.RootMask) - pa
		if begin == 0 || begin%displacedUnit != 0 || int64(begin) < 0 || f.displacedTried.Add(1) > displacedMost {
			continue
		}
		how := fmt.Sprintf("%s that maps itself in a file that begins at physical address %#x", m.Root.Name, uint64(begin))
		size := f.mem.Size()
		mem, err := sparse.NewReader(int64(begin)+size, sparse.Extent{Off: int64(begin), Len: size, Src: f.cache})
		if err != nil {
			continue
		}
		space := paging.NewSpace(m, mem, pa+begin, nil)
		if shared, ok := readSharedData(space); ok && shared.foreign == m.Arch {
			return append(out, window{candidate: candidate{m, pa + begin, how}, space: space, shared: shared})
		}
	}
	return out
}

// displacedSelves returns the entries of a page that may map the page itself. The system's half of the page must hold
// nothing but such entries, of 8 bytes, and free ones.
func displacedSelves(m *paging.Mode, p []byte) []uint64 {
	var out []uint64
	mask, self := m.Root.SelfMask, m.Root.Self
	for half := p[8*m.Root.SelfFirst : 8*m.Root.SelfEnd]; len(half) >= 8; half = half[8:] {
		e := binary.LittleEndian.Uint64(half)
		if e == 0 {
			continue
		}
		if e&mask != self {
			return nil
		}
		out = append(out, e)
	}
	if len(out) < displacedLeast || len(out) > (m.Root.SelfEnd-m.Root.SelfFirst)/2 {
		return nil
	}
	return out
}
