package restore_test

import (
	"bytes"
	"encoding/binary"
	"strings"

	"memlens/memimage/restore"
)

// image is a file in memory: the pages of its image section, and the process's copies of such pages.
type image struct {
	*peFile
	section []byte           // the section's own pages
	has     []bool           // pages that the section has; others are gaps in the address space
	demand  []bool           // pages that have no bytes of the file: zeros until written
	own     map[int64][]byte // the process's own pages by RVA
	load    uint64           // where the process has it
	lies    uint64           // the address that the section's pages are relocated to
	kernel  bool             // relocated by the kernel, since Windows Vista
	stale   bool             // bound imports do not fit the DLLs
}

// mapImage makes the image section of a file.
func mapImage(f *peFile) *image {
	pages := roundUp(int64(f.sizeOfImage), page) / page
	m := &image{peFile: f, section: make([]byte, pages*page), has: make([]bool, pages), demand: make([]bool, pages),
		own: map[int64][]byte{}, load: f.base, lies: f.base}
	if f.asFile() { // a single subsection
		m.subsection(0, pages*page, f.raw)
		return m
	}
	m.subsection(0, int64(f.sizeOfHeaders), f.raw[:min(int64(f.sizeOfHeaders), int64(len(f.raw)))])
	for i := range f.sections {
		s := &f.sections[i]
		m.subsection(int64(s.rva), s.size(), f.mapped(s))
	}
	return m
}

// mapped returns the bytes of the file that the section's pages get: whole sectors, up to the end of the raw data
// rounded up to FileAlignment, as far as there are pages with raw data.
func (f *peFile) mapped(s *peSection) []byte {
	if s.rawPointer == 0 || s.rawSize == 0 {
		return nil
	}
	begin := int64(s.rawPointer) &^ 511
	end := roundUp(int64(s.rawPointer)+int64(s.rawSize), int64(f.fileAlign))
	pages := roundUp(min(int64(s.rawSize), s.size()), page)
	return f.raw[min(begin, int64(len(f.raw))):min(end, begin+pages, int64(len(f.raw)))]
}

// subsection gives n bytes from rva on pages, filled with raw as far as that goes.
func (m *image) subsection(rva, n int64, raw []byte) {
	n = min(roundUp(n, page), int64(len(m.section))-rva)
	for at := rva; at < rva+n; at += page {
		m.has[at/page], m.demand[at/page] = true, at-rva >= int64(len(raw))
	}
	copy(m.section[rva:rva+n], raw)
}

// at returns the page at rva as the process sees it.
func (m *image) at(rva int64) []byte {
	if p := m.own[rva]; p != nil {
		return p
	}
	return m.section[rva : rva+page]
}

// read returns n bytes as the process sees them: zeros where it has no page.
func (m *image) read(rva int64, n int) littleEndian {
	b := make([]byte, n)
	for i := 0; i < n; {
		at := rva + int64(i)
		if at < 0 || at >= int64(len(m.section)) {
			return b
		}
		i += copy(b[i:], m.at(at &^ (page - 1))[at%page:])
	}
	return b
}

// poke is a write by the process: it gets its own copies of the pages, except of pages that are shared on purpose.
func (m *image) poke(rva int64, b []byte) {
	for len(b) > 0 && rva >= 0 && rva < int64(len(m.section)) && m.has[rva/page] {
		at := rva &^ (page - 1)
		p := m.section[at : at+page]
		if !m.shared(at) {
			if m.own[at] == nil {
				m.own[at] = bytes.Clone(p)
			}
			p = m.own[at]
		}
		n := copy(p[rva%page:], b)
		b, rva = b[n:], rva+int64(n)
	}
}

// pokeSection is a write by the kernel to the section's own page.
func (m *image) pokeSection(rva int64, b []byte) {
	if rva >= 0 && rva < int64(len(m.section)) {
		copy(m.section[rva:], b)
	}
}

// shared reports whether the page is of a section with IMAGE_SCN_MEM_SHARED.
func (m *image) shared(rva int64) bool {
	s := m.sectionAt(rva)
	return s != nil && s.flags&(sectionShared|sectionWrite) == sectionShared|sectionWrite
}

func (m *image) sectionAt(rva int64) *peSection {
	for i := range m.sections {
		if s := &m.sections[i]; !m.asFile() && rva >= int64(s.rva) && rva < int64(s.rva)+roundUp(s.size(), page) {
			return s
		}
	}
	return nil
}

// number returns an address, or a thunk, as the image has it in bytes.
func (m *image) number(v uint64) []byte {
	return binary.LittleEndian.AppendUint64(nil, v)[:m.pointer()]
}

func (m *image) readNumber(rva int64) uint64 { return m.read(rva, m.pointer()).uint(0, m.pointer()) }

// relocate adds delta to all numbers that the table of relocations names.
func (m *image) relocate(delta uint64, write func(int64, []byte)) {
	dir := m.dirs[dirRelocation]
	if dir.rva == 0 || dir.size == 0 || delta == 0 {
		return
	}
	table := m.read(int64(dir.rva), int(dir.size))
	for at := int64(0); at+8 <= int64(len(table)); {
		rva, size := int64(table.u32(at)), int64(table.u32(at+4))
		if size < 8 {
			return
		}
		for e := at + 8; e+2 <= min(at+size, int64(len(table))); e += 2 {
			v := table.u16(e)
			at, kind := rva+int64(v&0xfff), v>>12
			if kind == 4 { // IMAGE_REL_BASED_HIGHADJ: the next entry is the low half
				e += 2
				sum := uint32(m.read(at, 2).u16(0))<<16 + uint32(int32(int16(table.u16(e)))) + uint32(delta) + 0x8000
				write(at, binary.LittleEndian.AppendUint16(nil, uint16(sum>>16)))
				continue
			}
			m.relocateOne(at, kind, delta, write)
		}
		at += size
	}
}

func (m *image) relocateOne(rva int64, kind uint16, delta uint64, write func(int64, []byte)) {
	n, amount := 0, delta
	switch kind {
	case 1: // IMAGE_REL_BASED_HIGH
		n, amount = 2, delta>>16
	case 2: // LOW
		n = 2
	case 3: // HIGHLOW
		n = 4
	case 10: // DIR64
		n = 8
	default:
		return
	}
	write(rva, binary.LittleEndian.AppendUint64(nil, m.read(rva, n).uint(0, n)+amount)[:n])
}

// relocatable reports whether the table of relocations has only entries that the mapper knows.
func (m *image) relocatable() bool {
	dir := m.dirs[dirRelocation]
	table := m.read(int64(dir.rva), int(dir.size))
	for at := int64(0); dir.rva != 0 && at+8 <= int64(len(table)); {
		size := int64(table.u32(at + 4))
		if size < 8 {
			break
		}
		for e := at + 8; e+2 <= min(at+size, int64(len(table))); e += 2 {
			switch k := table.u16(e) >> 12; {
			case k == 4:
				e += 2
			case k > 4 && k != 10:
				return false
			}
		}
		at += size
	}
	return true
}

// mappedEnd returns up to where subsections map the file: to the end of raw data, rounded up, or of the file.
func (m *image) mappedEnd() int64 {
	if m.asFile() {
		return min(int64(m.sizeOfImage), int64(len(m.raw)))
	}
	end := int64(m.sizeOfHeaders)
	for i := range m.sections {
		if s := &m.sections[i]; s.rawPointer != 0 && s.rawSize != 0 {
			end = max(end, roundUp(int64(s.rawPointer)+int64(s.rawSize), int64(m.fileAlign)))
		}
	}
	return end
}

// module returns the DLL that bound imports lead to: the DLL from the time when they were bound, or a later one.
func (m *image) module(name string) (restore.Module, bool) {
	stamp := uint32(boundStamp)
	if m.stale {
		stamp++
	}
	return restore.Module{Base: boundBase, Size: 0x100000, ImageBase: boundBase, TimeDateStamp: stamp}, strings.EqualFold(name, "other.dll")
}
