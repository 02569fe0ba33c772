package pedump

import (
	"encoding/binary"
	"fmt"
	"math"

	"memlens/memimage/reason"
	"memlens/memimage/sparse"
)

// Offsets in _IMAGE_SECTION_HEADER of the fields that procmemdump patches.
const (
	virtualSizeField      = 8
	sizeOfRawDataField    = 16
	pointerToRawDataField = 20
)

// patchedTable returns the section table as procmemdump writes it: PointerToRawData becomes
// VirtualAddress, SizeOfRawData and VirtualSize the room up to the next section.
func (im *Image) patchedTable(module sparse.Source) (*sectionTable, error) {
	last := len(im.Sections) - 1
	switch {
	case im.table < 0:
		return nil, &HeaderError{RVA: im.table, Code: reason.HeaderBad, Reason: "the section table lies before the image"}
	case im.SectionAlignment == 0:
		return nil, &HeaderError{RVA: im.NTOffset + optionalOffset, Code: reason.HeaderBad, Reason: "SectionAlignment is 0, so the last section has no size in memory"}
	case im.cut:
		return nil, im.unreadable(last, nil)
	}
	t := &sectionTable{im: im, module: module}
	for i := range im.Sections {
		if size := t.size(i); size < 0 || size > math.MaxUint32 {
			return nil, &SectionError{
				Index: i, Name: im.Sections[i].Name(), Field: "VirtualAddress", Value: im.Sections[i].VirtualAddress,
				Reason: fmt.Sprintf("its room in memory, up to the next section, is %d bytes, which no header can hold", size),
			}
		}
	}
	return t, nil
}

// sectionTable is the section table in memory with three fields of each header replaced. It holds
// no copy: a hostile image may have 65535 sections.
type sectionTable struct {
	im     *Image
	module sparse.Source
}

// size returns the distance from section i to the next one in table order, and for the last one
// VirtualSize rounded up to SectionAlignment. It is negative when sections do not ascend.
func (t *sectionTable) size(i int) int64 {
	s := t.im.Sections[i:]
	if len(s) > 1 {
		return int64(s[1].VirtualAddress) - int64(s[0].VirtualAddress)
	}
	return roundUp(int64(s[0].VirtualSize), int64(t.im.SectionAlignment))
}

// Size returns the length of the table in bytes.
func (t *sectionTable) Size() int64 { return int64(len(t.im.Sections)) * sectionHeaderSize }

// Probe implements sparse.Source: a byte of the table is present where the byte of the headers in memory is.
func (t *sectionTable) Probe(off int64) (int64, error) { return t.headers().Probe(off) }

// headers returns the table as it lies in memory.
func (t *sectionTable) headers() sparse.Source { return sparse.Section(t.module, t.im.table, t.Size()) }

// ReadAt reads the table; offset 0 is the first header. It implements sparse.Source.
func (t *sectionTable) ReadAt(p []byte, off int64) (int, error) {
	n, err := t.headers().ReadAt(p, off)
	p = p[:n]
	for i := max(0, off/sectionHeaderSize); i < int64(len(t.im.Sections)) && i*sectionHeaderSize < off+int64(n); i++ {
		header, size := i*sectionHeaderSize-off, uint32(t.size(int(i)))
		patch(p, header+virtualSizeField, size)
		patch(p, header+sizeOfRawDataField, size)
		patch(p, header+pointerToRawDataField, t.im.Sections[i].VirtualAddress)
	}
	return n, err
}

// patch puts a little-endian v at offset at of p, which may begin or end within it.
func patch(p []byte, at int64, v uint32) {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], v)
	if at < 0 {
		if at > -4 {
			copy(p, b[-at:])
		}
		return
	}
	if at < int64(len(p)) {
		copy(p[at:], b[:])
	}
}
