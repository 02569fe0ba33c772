package pe

import (
	"io"

	"memlens/memimage/sparse"
)

// layOut makes the image: the bytes of the file by RVA, as Windows maps them. The part of a section's pages that is not
// in the file is zeros, and addresses without a section are a hole.
func (f *File) layOut() error {
	var extents []sparse.Extent
	if f.SectionAlignment < pageSize {
		whole := min(f.Size, maxImage)
		extents = f.mapped(0, 0, whole, whole)
	} else {
		extents = f.mapped(0, 0, int64(f.SizeOfHeaders), int64(f.SizeOfHeaders))
		for i := len(f.Sections) - 1; i >= 0; i-- { // of two overlapping sections, the first counts
			extents = append(extents, f.section(&f.Sections[i])...)
		}
	}
	image, err := sparse.NewReader(maxImage, sparse.Overlay(extents...)...)
	f.image = image
	return err
}

// section returns the extents of a section in the image.
func (f *File) section(s *Section) []sparse.Extent {
	size := roundUp(int64(s.MappedSize()), pageSize)
	if s.PointerToRawData == 0 || s.SizeOfRawData == 0 {
		return f.mapped(int64(s.VirtualAddress), 0, 0, size)
	}
	off := int64(s.PointerToRawData &^ (sectorSize - 1))
	raw := roundUp(int64(s.PointerToRawData)+int64(s.SizeOfRawData), int64(f.FileAlignment)) - off
	return f.mapped(int64(s.VirtualAddress), off, min(raw, roundUp(int64(s.SizeOfRawData), pageSize)), size)
}

// mapped returns extents for size bytes at rva: raw bytes from the file, as far as the file reaches, and zeros for the
// rest.
func (f *File) mapped(rva, off, raw, size int64) []sparse.Extent {
	raw = min(raw, size)
	return []sparse.Extent{
		{Off: rva, Len: max(0, min(raw, f.Size-off)), Src: f.r, SrcOff: off},
		{Off: rva + raw, Len: size - raw, Src: zeros{}},
	}
}

// roundUp rounds n up to a multiple of unit, a power of two; n stays as it is for any other unit.
func roundUp(n, unit int64) int64 {
	if unit <= 0 || unit&(unit-1) != 0 {
		return n
	}
	return (n + unit - 1) &^ (unit - 1)
}

// maxImage bounds all RVAs, with all bytes that a section can have behind the last one.
const maxImage = 1 << 33

// zeros is memory without bytes in the file.
type zeros struct{}

func (zeros) Size() int64 { return maxImage }

// ReadAt implements [sparse.Source].
func (zeros) ReadAt(p []byte, off int64) (int, error) {
	rest := max(maxImage-off, 0)
	if int64(len(p)) <= rest {
		clear(p)
		return len(p), nil
	}
	clear(p[:rest])
	return int(rest), io.EOF
}

// Probe implements [sparse.Source].
func (zeros) Probe(off int64) (int64, error) {
	if off >= maxImage {
		return 0, io.EOF
	}
	return maxImage - off, nil
}
