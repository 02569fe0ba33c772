package format

import (
	"fmt"
	"math"
)

// rangeList is the list of page ranges that a dump of Windows 11 has in place of a bitmap: behind the header a mark
// of 0x40, "RDMP", "DUMP", at 0x10 how many bytes lie between 0x20 and the first page, at 0x18 the offset of the
// first page, and from 0x30 on the ranges, each a page number and a count of 8 bytes. Complete dumps have the number
// of ranges at 0x20 and the number of pages at 0x28.
type rangeList struct {
	*crashDump
	l      *layout
	data   uint64 // offset of the next page in the file
	ranges uint64 // ranges still to come, from the header; the largest possible number if the header does not say
	pages  uint64 // pages still to come, likewise
	over   uint64 // pages that the ranges promise beyond that number
}

// placeRanges lays out a dump by its page ranges.
func (d *crashDump) placeRanges(l *layout, f fields) error {
	base := int64(d.headerSize)
	r := &rangeList{crashDump: d, l: l, data: f.u64(0x18), ranges: math.MaxUint64, pages: math.MaxUint64}
	first := r.data
	if first > uint64(d.Size()) && first <= maxPhysical {
		d.cutBefore(d.promised(first), "within the list of its page ranges")
		d.note("The file ends within the list of its page ranges: the pages of the ranges behind it are missing.")
	}
	if first < uint64(base)+0x30 || first > maxPhysical {
		return fmt.Errorf("format: %s is a crash dump by page ranges whose list at %#x is damaged", d.Name(), base)
	}
	if d.head.u32(d.dumpType) == crashRangesFull {
		r.limit(uint64(f.u32(0x20)), f.u64(0x28))
	}
	if size := f.u64(0x10); uint64(base)+0x20+size != first {
		d.doubt("The header of the list of page ranges says that the list has %#x bytes and that the pages begin at %#x, which do not agree: pages may be misplaced.", size, first)
	}
	err := eachRecord(d, base+0x30, int64(first), 16, r.place)
	r.tell()
	return err
}

// limit takes the numbers of a complete dump, where they are given.
func (r *rangeList) limit(ranges, pages uint64) {
	if ranges > 0 {
		r.ranges = ranges
	}
	if pages > 0 {
		r.pages = pages
	}
}

// place lays a range out, and returns false at the end of the list, which zeros follow.
func (r *rangeList) place(f fields) bool {
	page, n := f.u64(0), f.u64(8)
	if page == 0 && n == 0 || r.ranges == 0 || r.l.full() {
		return false
	}
	if page >= maxPhysical/pageSize || n > maxPhysical/pageSize {
		r.note("A page range (%#x pages at page %#x) is damaged; it and all ranges behind it are left out.", n, page)
		r.ranges = math.MaxUint64
		return false
	}
	there := min(n, r.pages)
	r.l.add(page*pageSize, there*pageSize, r.data)
	if there < n {
		r.l.miss((page+there)*pageSize, (n-there)*pageSize)
	}
	r.data += there * pageSize
	r.over += n - there
	if r.pages != math.MaxUint64 {
		r.pages -= there
	}
	if r.ranges != math.MaxUint64 {
		r.ranges--
	}
	return true
}

// tell notes where the ranges do not agree with the header.
func (r *rangeList) tell() {
	whole := len(r.truncated) == 0
	switch {
	case r.over > 0:
		r.doubt("The page ranges of the dump name %s more than its header says that it has: one of them is damaged, and pages may be misplaced. What lies beyond the number in the header is left out.", count(int(min(r.over, 1<<40)), "page", "pages"))
	case whole && r.pages != math.MaxUint64 && r.pages > 0:
		r.doubt("The page ranges of the dump name %s less than its header says that it has: one of them is damaged, and pages may be misplaced.", count(int(min(r.pages, 1<<40)), "page", "pages"))
	case whole && r.ranges != math.MaxUint64 && r.ranges > 0:
		r.doubt("The list of page ranges ends %s before its header says: one of them is damaged.", count(int(min(r.ranges, 1<<40)), "range", "ranges"))
	}
}
