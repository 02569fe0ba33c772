package sparse

import (
	"io"
	"math"
	"slices"
	"sort"
)

// Index finds which of many ranges holds a number; the first one where they overlap. It must be quick, for a hostile
// header may have 65535 overlapping sections.
type Index struct{ ranges []Extent }

// NewIndex indexes n ranges; span returns the i-th.
func NewIndex(n int, span func(i int) (off, length int64)) Index {
	ranges := make([]Extent, n)
	last, sorted := int64(math.MinInt64), true // sorted, and disjoint, and none is empty
	for i := range n {
		off, length := span(i)
		ranges[i] = Extent{Off: off, Len: length, Src: rangeNumber(i)}
		sorted = sorted && off >= last && length > 0 && off+length > off
		last = off + length
	}
	if sorted {
		return Index{ranges}
	}
	slices.Reverse(ranges)
	return Index{Overlay(ranges...)}
}

// At returns the number of the range that holds x, or -1.
func (ix Index) At(x int64) int {
	n, _ := ix.Run(x)
	return n
}

// Run returns the number of the range that holds x, and the end of its visible part around x. If no range holds x, it
// returns -1 and the beginning of the next range.
func (ix Index) Run(x int64) (number int, end int64) {
	i := sort.Search(len(ix.ranges), func(i int) bool { return ix.ranges[i].End() > x })
	switch {
	case i == len(ix.ranges):
		return -1, math.MaxInt64
	case ix.ranges[i].Off > x:
		return -1, ix.ranges[i].Off
	}
	return int(ix.ranges[i].Src.(rangeNumber)), ix.ranges[i].End()
}

// rangeNumber makes a range's number the source of an extent; there is nothing to read.
type rangeNumber int

func (rangeNumber) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (rangeNumber) Probe(int64) (int64, error)        { return 0, io.EOF }
func (rangeNumber) Size() int64                       { return 0 }
