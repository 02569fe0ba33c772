package nt

import (
	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// Data directories that are read (IMAGE_DIRECTORY_ENTRY_…).
const (
	dirExports     = 0
	dirImports     = 1
	dirRelocations = 5
)

// layout returns how an executable lies in the memory from base to end: the layout in which more of the header's tables
// are found. Where the counts are equal, it returns the parameter otherwise.
func (s *moduleSearch) layout(h *peHeader, base, end paging.Virt, otherwise ModuleLayout) ModuleLayout {
	room := int64(end - base)
	byRVA, byOffset := s.tables(h, base, room, MemoryLayout), s.tables(h, base, room, FileLayout)
	switch {
	case byRVA > byOffset:
		return MemoryLayout
	case byOffset > byRVA:
		return FileLayout
	}
	return otherwise
}

// tables counts the tables of an executable that are where its header says, in a layout.
func (s *moduleSearch) tables(h *peHeader, base paging.Virt, room int64, layout ModuleLayout) (n int) {
	t := tableReader{memory{s.p.complete, 8}, h, base, room, layout}
	for _, there := range []func() bool{t.hasExports, t.hasImports, t.hasRelocations} {
		if there() {
			n++
		}
	}
	return n
}

// tableReader reads the tables of an executable in a layout.
type tableReader struct {
	memory
	h      *peHeader
	base   paging.Virt
	room   int64
	layout ModuleLayout
}

// at reads n bytes at an RVA; false when they are not there.
func (t *tableReader) at(rva uint32, n int) (record, bool) {
	off := int64(rva)
	if t.layout == FileLayout {
		off = t.h.offset(rva)
	}
	if rva == 0 || off < 0 || off+int64(n) > t.room {
		return record{}, false
	}
	r, err := t.record(t.base+paging.Virt(off), n)
	return r, err == nil
}

// offset returns the file offset of an RVA; -1 where the file has none.
func (h *peHeader) offset(rva uint32) int64 {
	for i := range h.sections {
		s := &h.sections[i]
		if rva >= s.rva && rva-s.rva < s.rawSize && s.raw != 0 {
			return int64(s.raw) + int64(rva-s.rva)
		}
	}
	return -1
}

// isName reports whether an RVA leads to at least 3 letters.
func (t *tableReader) isName(rva uint32) bool {
	r, ok := t.at(rva, 3)
	return ok && isNameByte(r.b[0]) && isNameByte(r.b[1]) && isNameByte(r.b[2])
}

func (t *tableReader) hasExports() bool {
	r, ok := t.at(t.h.directory(dirExports).RVA, 40)
	return ok && r.u32(0) == 0 && t.isName(uint32(r.u32(12)))
}

func (t *tableReader) hasImports() bool {
	r, ok := t.at(t.h.directory(dirImports).RVA, 20)
	return ok && r.u32(16) != 0 && t.isName(uint32(r.u32(12)))
}

func (t *tableReader) hasRelocations() bool {
	const header, most = 8, 8 + 2*2*pageSize
	r, ok := t.at(t.h.directory(dirRelocations).RVA, header)
	size := r.u32(profile.Offset(4))
	return ok && r.u32(0)%pageSize == 0 && r.u32(0) != 0 && int64(r.u32(0)) < t.h.size && size > header && size <= most
}
