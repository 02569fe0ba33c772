package sparse

import (
	"cmp"
	"slices"
)

// Overlap returns how many bytes of extents lie in earlier ones, too, in the order of their offsets.
func Overlap(extents []Extent) uint64 {
	if !slices.IsSortedFunc(extents, byOffset) {
		extents = slices.SortedStableFunc(slices.Values(extents), byOffset)
	}
	var overlap uint64
	var end int64
	for _, e := range extents {
		if e.Off < end {
			overlap += uint64(min(end, e.End()) - e.Off)
		}
		end = max(end, e.End())
	}
	return overlap
}

func byOffset(a, b Extent) int { return cmp.Compare(a.Off, b.Off) }
