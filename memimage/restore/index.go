package restore

import (
	"io"
	"sort"

	"memlens/memimage/sparse"
)

// index finds which of many ranges holds a number, the first one where they overlap. A hostile
// header may have 65535 sections over each other.
type index []sparse.Extent

// newIndex indexes n ranges.
func newIndex(n int, span func(i int) (off, length int64)) index {
	ranges := make([]sparse.Extent, n)
	for i := range n {
		off, length := span(i)
		ranges[n-1-i] = sparse.Extent{Off: off, Len: length, Src: rangeNumber(i)}
	}
	return sparse.Overlay(ranges...)
}

// next returns the place in the index of the first range that ends behind x.
func (ix index) next(x int64) int {
	return sort.Search(len(ix), func(i int) bool { return ix[i].End() > x })
}

// at returns the number of the range that holds x, or -1.
func (ix index) at(x int64) int {
	i := ix.next(x)
	if i == len(ix) || ix[i].Off > x {
		return -1
	}
	return int(ix[i].Src.(rangeNumber))
}

// rangeNumber makes a range's number the source of an extent; there is nothing to read.
type rangeNumber int

func (rangeNumber) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
