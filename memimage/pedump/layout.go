package pedump

import (
	"fmt"

	"memlens/memimage/reason"
	"memlens/memimage/sparse"
)

// FileLayout returns the executable as Volatility 2's procexedump (procdump) writes it: the
// headers, then each section's SizeOfRawData bytes at PointerToRawData rounded down to
// FileAlignment, later pieces over earlier ones.
//
// The Reader is as long as Volatility's file. Bytes that the module cannot read are a hole with the module's reason;
// bytes that no piece covers are a hole without a reason. Volatility writes zeros for both. The error is a
// *SectionError or a *HeaderError.
func (im *Image) FileLayout(module sparse.Source) (*sparse.Reader, error) {
	if im.tableErr != nil {
		return nil, im.tableErr
	}
	if im.short != nil {
		return nil, im.short
	}
	if im.FileAlignment == 0 && len(im.Sections) > 0 {
		return nil, &HeaderError{RVA: im.NTOffset + optionalOffset, Code: reason.HeaderBad, Reason: "FileAlignment is 0, so the sections have no place in the file"}
	}
	l := newLayout(module, 1+len(im.Sections))
	l.add(0, im.SizeOfHeaders, 0)
	for i := range im.Sections {
		s := &im.Sections[i]
		l.add(s.PointerToRawData-s.PointerToRawData%im.FileAlignment, s.SizeOfRawData, s.VirtualAddress)
	}
	return l.reader()
}

// MemoryLayout returns the executable as Volatility 2's procmemdump (procdump --memory) writes it: SizeOfImage bytes
// from the base, with the section headers patched so that file offsets are RVAs. The Reader, its holes and the error
// are as for FileLayout.
func (im *Image) MemoryLayout(module sparse.Source) (*sparse.Reader, error) {
	if im.tableErr != nil {
		return nil, im.tableErr
	}
	l := newLayout(module, 2)
	l.add(0, im.SizeOfImage, 0)
	if len(im.Sections) > 0 {
		table, err := im.patchedTable(module)
		if err != nil {
			return nil, err
		}
		// The table is written even where it lies behind the image's end.
		l.paint(im.table, int64(len(im.Sections))*sectionHeaderSize, table, 0)
	}
	return l.reader()
}

// layout collects the pieces of a file in the order in which Volatility writes them.
type layout struct {
	module sparse.Source
	size   int64
	pieces []sparse.Extent
}

func newLayout(module sparse.Source, pieces int) *layout {
	return &layout{module: &beyond{module}, pieces: make([]sparse.Extent, 0, pieces)}
}

// add writes n bytes of the module at RVA rva to file offset off.
func (l *layout) add(off, n, rva uint32) {
	l.paint(int64(off), int64(n), l.module, int64(rva))
}

// paint writes n bytes of src at srcOff to file offset off. An empty piece does not extend the file.
func (l *layout) paint(off, n int64, src sparse.Source, srcOff int64) {
	l.pieces = append(l.pieces, sparse.Extent{Off: off, Len: n, Src: src, SrcOff: srcOff})
	if n > 0 {
		l.size = max(l.size, off+n)
	}
}

func (l *layout) reader() (*sparse.Reader, error) {
	r, err := sparse.NewReader(l.size, sparse.Overlay(l.pieces...)...)
	if err != nil {
		return nil, fmt.Errorf("pedump: %w", err)
	}
	return r, nil
}
