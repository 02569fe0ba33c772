package pedump

import (
	"io"
	"sort"

	"memlens/memimage/sparse"
)

// sectionIndex finds the section at an RVA: disjoint ranges, of which each has its section's
// number. A hostile image may have 65535 sections over each other.
type sectionIndex []sparse.Extent

// newSectionIndex lays the sections over each other, the first ones on top.
func newSectionIndex(sections []Section) sectionIndex {
	ranges := make([]sparse.Extent, len(sections))
	for i := range sections {
		s := &sections[i]
		ranges[len(sections)-1-i] = sparse.Extent{Off: int64(s.VirtualAddress), Len: s.end() - int64(s.VirtualAddress), Src: sectionNumber(i)}
	}
	return sparse.Overlay(ranges...)
}

// at returns the number of the section at an RVA, or -1.
func (ix sectionIndex) at(rva int64) int {
	i := sort.Search(len(ix), func(i int) bool { return ix[i].End() > rva })
	if i == len(ix) || ix[i].Off > rva {
		return -1
	}
	return int(ix[i].Src.(sectionNumber))
}

// sectionNumber makes a section's number the source of an extent; there is nothing to read.
type sectionNumber int

func (sectionNumber) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
