package restore

import (
	"cmp"
	"io"
	"slices"

	"memlens/memimage/sparse"
)

const sectorSize = 0x200 // the memory manager maps sections from whole sectors of the file

// piece is a range of the file that lies in memory in one go.
type piece struct {
	off, n  int64
	rva     int64
	section int // -1: the headers, or an image mapped as the file
}

// pieces returns how Windows' memory manager maps the file (MiCreateImageFileMap), in the order of the file and
// without overlaps: where two sections have the same bytes, the one that begins first has them. Bytes behind a
// section's raw data that are mapped only because of an alignment give way to the raw data of any section.
//
// An image that is mapped as its file is one piece of asFile bytes.
func (h *header) pieces(asFile int64) []piece {
	if h.mappedAsFile() {
		return []piece{{n: asFile, section: -1}}
	}
	own := append(make([]piece, 0, 2*len(h.sections)+2), piece{n: int64(h.sizeOfHeaders), section: -1})
	all := append(make([]piece, 0, len(h.sections)+1), piece{n: h.tableEnd, section: -1})
	for i := range h.sections {
		whole, raw := h.sections[i].piece(h.fileAlign)
		whole.section = i
		all = append(all, whole)
		whole.n = raw
		own = append(own, whole)
	}
	byOffset := func(a, b piece) int { return cmp.Compare(a.off, b.off) }
	slices.SortStableFunc(own, byOffset)
	slices.SortStableFunc(all, byOffset)
	return overlay(append(own, all...))
}

// asFile returns how much of the file is mapped for an image that lies in memory as in the file, by the kernel's
// section. Without that, SizeOfImage bounds it. Pages behind the raw data of sections, or behind the headers where
// there are no sections, are then the file's up to the last byte that is not zero: packers ask for far more memory
// than their file has. Behind raw data only pages that nobody has written to count.
func (w *work) asFile() int64 {
	image := int64(w.h.sizeOfImage)
	switch {
	case !w.h.mappedAsFile():
		return 0
	case w.in.MappedWhole && w.in.MappedEnd >= w.h.tableEnd:
		return w.in.MappedEnd
	}
	raw, sections := w.h.rawEnd(), len(w.h.sections) > 0
	end := min(image, w.mappedEnd(), raw+maxLooked*pageSize)
	return max(min(raw, image), w.lastIn(piece{n: end, section: -1}, raw, end, sections))
}

// setPieces sets how the file is mapped.
func (w *work) setPieces(pieces []piece) {
	w.pieces = pieces
	w.pieceIndex = sparse.NewIndex(len(pieces), func(i int) (int64, int64) { return pieces[i].rva, pieces[i].n })
}

// overlay cuts pieces so that none overlaps one before it in the list, and sorts them.
func overlay(list []piece) []piece {
	extents := make([]sparse.Extent, len(list))
	for i, p := range list {
		extents[len(list)-1-i] = sparse.Extent{Off: p.off, Len: p.n, Src: sectionNumber(p.section), SrcOff: p.rva}
	}
	out := []piece{}
	for _, e := range sparse.Overlay(extents...) {
		out = append(out, piece{e.Off, e.Len, e.SrcOff, int(e.Src.(sectionNumber))})
	}
	return out
}

// sectionNumber makes a section the source of an extent; there is nothing to read.
type sectionNumber int

func (sectionNumber) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (sectionNumber) Probe(int64) (int64, error)        { return 0, io.EOF }
func (sectionNumber) Size() int64                       { return 0 }

// piece returns the part of the file that is mapped for the section: from PointerToRawData, rounded down to a sector,
// to the end of the raw data, rounded up to FileAlignment, but not beyond the pages that have any of SizeOfRawData.
// raw is how much of that is the section's raw data.
func (s *section) piece(fileAlign uint32) (p piece, raw int64) {
	if s.rawPointer == 0 || s.rawSize == 0 {
		return piece{}, 0
	}
	p = piece{off: int64(s.rawPointer &^ (sectorSize - 1)), rva: int64(s.rva)}
	pages := min(roundUp(int64(s.rawSize), pageSize), s.end()-int64(s.rva))
	p.n = min(roundUp(s.rawEnd(), int64(fileAlign))-p.off, pages)
	return p, min(s.rawEnd()-p.off, p.n)
}

// rawEnd returns the file offset at which the section's raw data ends; 0 when it has none.
func (s *section) rawEnd() int64 {
	if s.rawPointer == 0 || s.rawSize == 0 {
		return 0
	}
	return int64(s.rawPointer) + int64(s.rawSize)
}

// roundUp rounds n up to a multiple of unit, a power of two; n stays as it is for any other unit.
func roundUp(n, unit int64) int64 {
	if unit <= 0 || unit&(unit-1) != 0 {
		return n
	}
	return (n + unit - 1) &^ (unit - 1)
}

// from returns the part of p from file offset off on.
func (p piece) from(off int64) piece {
	if cut := off - p.off; cut > 0 {
		p.off, p.rva, p.n = p.off+cut, p.rva+cut, p.n-cut
	}
	return p
}

// end returns the file offset at which p ends.
func (p piece) end() int64 { return p.off + p.n }

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
