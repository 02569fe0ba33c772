package sparse

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
)

// Overlay paints extents over each other in the order given, later ones over earlier ones, and returns the visible
// parts: sorted, disjoint extents, fit for [NewReader]. Empty extents paint nothing.
func Overlay(extents ...Extent) []Extent {
	if disjoint(extents) {
		return coalesce(slices.Clone(extents))
	}
	starts := make([]int, 0, len(extents))
	for i, e := range extents {
		if e.Len > 0 {
			starts = append(starts, i)
		}
	}
	slices.SortStableFunc(starts, func(a, b int) int { return cmp.Compare(extents[a].Off, extents[b].Off) })

	out := make([]Extent, 0, len(starts))
	open := topmost{extents, make([]int, 0, min(len(starts), 8))}
	var pos int64
	for len(starts) > 0 || open.Len() > 0 {
		if open.Len() == 0 {
			pos = extents[starts[0]].Off
		}
		for len(starts) > 0 && extents[starts[0]].Off <= pos {
			heap.Push(&open, starts[0])
			starts = starts[1:]
		}
		top := extents[open.idx[0]]
		if top.End() <= pos {
			heap.Pop(&open)
			continue
		}
		end := top.End()
		if len(starts) > 0 {
			end = min(end, extents[starts[0]].Off)
		}
		out = append(out, Extent{Off: pos, Len: end - pos, Src: top.Src, SrcOff: top.SrcOff + pos - top.Off})
		pos = end
	}
	return coalesce(out)
}

// disjoint reports whether extents are sorted, do not overlap, and none is empty.
func disjoint(extents []Extent) bool {
	end := int64(math.MinInt64)
	for _, e := range extents {
		if e.Off < end || e.Len <= 0 || e.End() < e.Off {
			return false
		}
		end = e.End()
	}
	return true
}

// topmost is a heap of indices of extents, with the extent that was painted last on top.
type topmost struct {
	extents []Extent
	idx     []int
}

func (t *topmost) Len() int           { return len(t.idx) }
func (t *topmost) Less(i, j int) bool { return t.idx[i] > t.idx[j] }
func (t *topmost) Swap(i, j int)      { t.idx[i], t.idx[j] = t.idx[j], t.idx[i] }
func (t *topmost) Push(x any)         { t.idx = append(t.idx, x.(int)) }
func (t *topmost) Pop() any {
	last := len(t.idx) - 1
	x := t.idx[last]
	t.idx = t.idx[:last]
	return x
}
