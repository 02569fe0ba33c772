package format

import (
	"fmt"

	"memlens/memimage/sparse"
)

const rawNote = "The file has no header of a known container and is taken for raw: offset 0 is physical address 0, without gaps."

// extents returns the parts of the input that are present, as far as is known without reading it: a file out of a
// container may have holes.
func (in *input) extents() []sparse.Extent {
	var out []sparse.Extent
	for _, p := range piecesOf(in.Source) {
		out = append(out, sparse.Extent{Off: p.off, Len: p.len, Src: in.Source, SrcOff: p.off})
	}
	return out
}

// openRaw takes every file that no other format claims: the bytes of physical memory from address 0 on.
func openRaw(in *input) (*Image, error) {
	size := in.Size()
	mem, err := sparse.NewReader(size, in.extents()...)
	if err != nil {
		return nil, fmt.Errorf("format: raw: %w", err)
	}
	if at, err := sparse.FirstHole(in, 0, min(size, pageSize)); err != nil {
		in.note("The beginning of the file, where a container has its header, cannot be read at offset %#x: that it has none is assumed.", at)
	}
	in.notes = append(in.notes, rawNote)
	if tail := size % pageSize; tail != 0 {
		in.note("The size is no multiple of the page size of %d bytes: the last page ends after %d bytes. The file may be truncated, or no raw image.", pageSize, tail)
	}
	return &Image{Format: "raw", Memory: mem, raw: in.Source}, nil
}
