package pedump

import (
	"encoding/binary"
	"fmt"

	"memlens/memimage/sparse"
)

const (
	sectionHeaderSize = 40 // sizeof(_IMAGE_SECTION_HEADER)
	sectionFieldsEnd  = 24 // the end of PointerToRawData, the last field the file layout uses
	tableChunk        = 64 // section headers read at a time

	pageSize   = 0x1000
	sectorSize = 0x200 // MMSECTOR: subsections start at whole sectors of the file
)

// Section is one _IMAGE_SECTION_HEADER as it is in memory.
type Section struct {
	RawName          [8]byte
	VirtualSize      uint32
	VirtualAddress   uint32 // RVA
	SizeOfRawData    uint32
	PointerToRawData uint32
	Characteristics  uint32
}

// Name returns the section's name up to its first NUL. It may hold any byte.
func (s *Section) Name() string { return cString(s.RawName[:]) }

// MappedSize returns how many bytes of address space Windows gives the section, before rounding
// up to pages: VirtualSize or, when that is 0, SizeOfRawData.
func (s *Section) MappedSize() uint32 {
	if s.VirtualSize == 0 {
		return s.SizeOfRawData
	}
	return s.VirtualSize
}

// scnDiscardable is IMAGE_SCN_MEM_DISCARDABLE.
const scnDiscardable = 0x02000000

// Discardable reports whether a loaded driver's section may be freed once the driver has started: its code for the
// start, mostly named INIT, and the relocations. It is normal that such a page is missing.
func (s *Section) Discardable() bool { return s.Characteristics&scnDiscardable != 0 }

// fileStart returns the file offset that Windows maps at VirtualAddress: PointerToRawData rounded
// down to a sector. ok is false for a section without file data.
func (s *Section) fileStart() (off int64, ok bool) {
	if s.PointerToRawData == 0 || s.SizeOfRawData == 0 {
		return 0, false
	}
	return int64(s.PointerToRawData &^ (sectorSize - 1)), true
}

// end returns the RVA at which the last page of the section ends.
func (s *Section) end() int64 {
	return roundUp(int64(s.VirtualAddress)+int64(s.MappedSize()), pageSize)
}

// readSections reads the section table until a header that Volatility stops at. Only a failing module is an error;
// damage of the table is kept in tableErr.
func (im *Image) readSections(module sparse.Source) error {
	chunk := make([]byte, min(int(im.NumberOfSections), tableChunk)*sectionHeaderSize)
	for left := int(im.NumberOfSections); left > 0 && im.tableErr == nil; left -= tableChunk {
		b := chunk[:min(left, tableChunk)*sectionHeaderSize]
		n, err := readPrefix(module, b, im.headerRVA(len(im.Sections)))
		if unexpected(err) && im.table >= 0 {
			return fmt.Errorf("pedump: reading the section table at RVA %#x: %w", im.table, err)
		}
		im.addSections(b, n, err)
	}
	im.index = sparse.NewIndex(len(im.Sections), func(i int) (int64, int64) {
		s := &im.Sections[i]
		return int64(s.VirtualAddress), s.end() - int64(s.VirtualAddress)
	})
	return nil
}

// headerRVA returns the RVA of the i-th section header.
func (im *Image) headerRVA(i int) int64 { return im.table + int64(i)*sectionHeaderSize }

// addSections decodes the headers in b. n of its bytes are present; err says why not more.
func (im *Image) addSections(b []byte, n int, err error) {
	for at := 0; at < len(b); at += sectionHeaderSize {
		if n < at+sectionFieldsEnd {
			im.tableErr = im.unreadable(len(im.Sections), err)
			return
		}
		s := decodeSection(b[at:])
		if im.tableErr = im.sane(&s); im.tableErr != nil {
			return
		}
		im.Sections = append(im.Sections, s)
		im.cut = n < at+sectionHeaderSize
	}
}

func (im *Image) unreadable(i int, err error) *SectionError {
	return &SectionError{
		Index:  i,
		Reason: fmt.Sprintf("its header at RVA %#x, one of %d, is not in memory", im.headerRVA(i), im.NumberOfSections),
		Err:    err,
	}
}

func decodeSection(b []byte) Section {
	return Section{
		RawName:          [8]byte(b[:8]),
		VirtualSize:      binary.LittleEndian.Uint32(b[8:]),
		VirtualAddress:   binary.LittleEndian.Uint32(b[12:]),
		SizeOfRawData:    binary.LittleEndian.Uint32(b[16:]),
		PointerToRawData: binary.LittleEndian.Uint32(b[20:]),
		Characteristics:  binary.LittleEndian.Uint32(b[36:]),
	}
}

// sane makes the checks of _IMAGE_SECTION_HEADER.sanity_check_section, in its order; they are
// strict, so that a section may begin where the image ends.
func (im *Image) sane(s *Section) error {
	checks := [...]struct {
		field string
		value uint32
		what  string
	}{
		{"VirtualAddress", s.VirtualAddress, "is past the end of the image"},
		{"VirtualSize", s.VirtualSize, "is larger than the image"},
		{"SizeOfRawData", s.SizeOfRawData, "is larger than the image"},
	}
	for _, c := range checks {
		if c.value > im.SizeOfImage {
			return &SectionError{
				Index: len(im.Sections), Name: s.Name(), Field: c.field, Value: c.value,
				Reason: fmt.Sprintf("%s %#x %s (SizeOfImage %#x)", c.field, c.value, c.what, im.SizeOfImage),
			}
		}
	}
	return nil
}

// SectionAt returns the first section with an RVA in its pages. The last page of a section belongs to it as a whole.
func (im *Image) SectionAt(rva uint32) (*Section, bool) {
	i := im.index.At(int64(rva))
	if i < 0 {
		return nil, false
	}
	return &im.Sections[i], true
}

// FileOffset returns the file offset that Windows maps at an RVA, as its memory manager lays an image section out
// (MiCreateImageFileMap): the headers, then each section's file data from PointerToRawData rounded down to a sector, at
// most SizeOfRawData bytes. An image with sections aligned to less than a page is mapped as the file is. ok is false
// where memory holds no byte of the file: behind a section's file data, and between sections.
func (im *Image) FileOffset(rva uint32) (off int64, ok bool) {
	if im.SectionAlignment < pageSize {
		return int64(rva), rva < im.SizeOfImage
	}
	s, ok := im.SectionAt(rva)
	if !ok {
		return int64(rva), rva < im.SizeOfHeaders
	}
	start, ok := s.fileStart()
	into := rva - s.VirtualAddress
	return start + int64(into), ok && into < s.SizeOfRawData
}

// RVA is the reverse of FileOffset: where Windows maps a file offset, at the first place if there
// are several. ok is false for bytes that are never mapped: an overlay, or file data behind the
// last page of its section.
func (im *Image) RVA(off int64) (rva uint32, ok bool) {
	if off < 0 {
		return 0, false
	}
	if im.SectionAlignment < pageSize {
		return uint32(off), off < int64(im.SizeOfImage)
	}
	if off < int64(im.SizeOfHeaders) {
		return uint32(off), true
	}
	for i := range im.Sections {
		s := &im.Sections[i]
		start, ok := s.fileStart()
		mapped := min(int64(s.SizeOfRawData), s.end()-int64(s.VirtualAddress))
		if ok && off >= start && off < start+mapped {
			return s.VirtualAddress + uint32(off-start), true
		}
	}
	return 0, false
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }
