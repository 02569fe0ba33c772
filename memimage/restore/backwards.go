package restore

import (
	"iter"
	"slices"
)

// maxNear is how many pages are looked at one by one from the end of a range. Mostly the last present page is near.
const maxNear = 1 << 8

// backwards yields the RVAs of the pages between two RVAs that are not missing, the last one first. Behind the pages
// near the end it goes from gap to gap. So its work depends on the pages that are present, and not on the claim of a
// header. looked counts the pages that were looked at; at maxLooked it ends.
func (w *work) backwards(begin, end int64, looked *int) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		end := min(end, w.mappedEnd())
		if begin >= end {
			return
		}
		begin := begin &^ (pageSize - 1)
		near := max(begin, (end-1)&^(pageSize-1)-(maxNear-1)*pageSize)
		for at := (end - 1) &^ (pageSize - 1); at >= near && *looked < maxLooked; at -= pageSize {
			if *looked++; w.memoryPage(uint32(at)).Kind != Missing && !yield(at) {
				return
			}
		}
		for _, at := range slices.Backward(w.between(begin, near, looked)) {
			if !yield(at) {
				return
			}
		}
	}
}

// between returns the RVAs of the pages from begin to end that are not missing.
func (w *work) between(begin, end int64, looked *int) (there []int64) {
	for at := begin; at < end && *looked < maxLooked; {
		*looked++
		page := w.memoryPage(uint32(at))
		if page.Kind != Missing {
			there = append(there, at)
		}
		at += max(pageSize, page.Gap&^(pageSize-1))
	}
	return there
}
