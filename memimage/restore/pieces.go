package restore

import (
	"cmp"
	"slices"
)

const sectorSize = 0x200 // the memory manager maps sections from whole sectors of the file

// piece is a range of the file that lies in memory in one go.
type piece struct {
	off, n  int64
	rva     int64
	section int // -1: the headers, or an image mapped as the file
}

// pieces returns how Windows' memory manager maps the file (MiCreateImageFileMap), in the order of
// the file and without overlaps: of two sections over the same bytes, the one that begins first
// has them.
func (h *header) pieces() []piece {
	if h.mappedAsFile() {
		return []piece{{n: min(h.rawEnd(), int64(h.sizeOfImage)), section: -1}}
	}
	all := []piece{{n: int64(h.sizeOfHeaders), section: -1}}
	for i := range h.sections {
		if p, ok := h.sections[i].piece(); ok {
			p.section = i
			all = append(all, p)
		}
	}
	slices.SortStableFunc(all, func(a, b piece) int { return cmp.Compare(a.off, b.off) })
	var end int64
	kept := all[:0]
	for _, p := range all {
		if p = p.from(end); p.n > 0 {
			kept, end = append(kept, p), p.off+p.n
		}
	}
	return kept
}

// piece returns the part of the section's raw data that is mapped: from PointerToRawData, rounded
// down to a sector, as far as the section's pages go.
func (s *section) piece() (piece, bool) {
	if s.rawPointer == 0 || s.rawSize == 0 {
		return piece{}, false
	}
	n := min(int64(s.rawSize), s.end()-int64(s.rva))
	return piece{off: int64(s.rawPointer &^ (sectorSize - 1)), n: n, rva: int64(s.rva)}, true
}

// from returns the part of p from file offset off on.
func (p piece) from(off int64) piece {
	if cut := off - p.off; cut > 0 {
		p.off, p.rva, p.n = p.off+cut, p.rva+cut, p.n-cut
	}
	return p
}

// rawEnd returns where the raw data of the headers and the sections end in the file.
func (h *header) rawEnd() int64 {
	end := int64(h.sizeOfHeaders)
	for i := range h.sections {
		if s := &h.sections[i]; s.rawPointer != 0 && s.rawSize != 0 {
			end = max(end, int64(s.rawPointer&^(sectorSize-1))+int64(s.rawSize))
		}
	}
	return end
}

// fileOffset returns the file offset that memory has at rva, and how many bytes from there on lie
// in the file as they do in memory.
func (w *work) fileOffset(rva int64) (off, n int64, ok bool) {
	i := w.pieceIndex.At(rva)
	if i < 0 {
		return 0, 0, false
	}
	p := w.pieces[i]
	return p.off + rva - p.rva, p.rva + p.n - rva, true
}
