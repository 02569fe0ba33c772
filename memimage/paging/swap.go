package paging

import "memlens/memimage/sparse"

// Swap knows the places of the pages that a kernel took out of physical memory. An entry names them by a number and an
// offset in a page file, or in the compressed store, which has a number among the page files'. Page returns the place
// of the page at byte offset off of the page file with a number; false: that page file was not given, and is no store.
type Swap interface {
	Page(number int, off int64) (Swapped, bool)
}

// Swapped is a page outside of physical memory. State is [PageFile] or [Compressed]; the bytes of the page are Src's
// from Off on. Where Src has a hole there, the page is missing for that reason.
type Swapped struct {
	State State
	Src   sparse.Source
	Off   int64
}

// PageFiles are page files by number; nil: not given.
type PageFiles []sparse.Source

// Page implements [Swap].
func (f PageFiles) Page(number int, off int64) (Swapped, bool) {
	if number >= len(f) || f[number] == nil {
		return Swapped{}, false
	}
	return Swapped{PageFile, f[number], off}, true
}
