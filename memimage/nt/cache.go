package nt

import (
	"memlens/memimage/paging"
)

// CachedFile holds the pages of a file that memory has as they are on disk: the pages of its data section and the views
// of the cache manager. No program can have written to either without writing to the file.
type CachedFile struct {
	Size  int64 // of the file in bytes, where that is exact; otherwise 0
	Bound int64 // the file is not longer, by the end of its data section; 0 when nothing says so
	k     *Kernel
	data  []Subsection
	views map[int64]paging.Virt // addresses in the system cache by file offset, in units of viewSize
}

// viewSize is the size of a view of the cache manager (VACB_MAPPING_GRANULARITY).
const viewSize = 256 << 10

// maxViews bounds the views of one file: as many as 1 GiB has.
const maxViews = 4096

// CachedFile returns the cached pages of the file behind a section; false when there are none.
func (k *Kernel) CachedFile(file paging.Virt) (*CachedFile, bool) { return k.cachedFile(file, 0) }

// cachedFile is CachedFile for a file that is known to have at least so many bytes. It returns nil when there is nothing.
func (k *Kernel) cachedFile(file paging.Virt, least int64) (*CachedFile, bool) {
	l := &k.layout.Section
	if file == 0 {
		return nil, false
	}
	pointers, err := k.kernel.ptr(file + paging.Virt(l.FilePointers))
	if err != nil || pointers == 0 {
		return nil, false
	}
	c := &CachedFile{k: k}
	size := fileSize{least: least}
	if area, err := k.kernel.ptr(pointers + paging.Virt(l.PointersData)); err == nil && area != 0 {
		size.data = c.readData(area)
	}
	if shared, err := k.kernel.ptr(pointers + paging.Virt(l.PointersMap)); err == nil && shared != 0 {
		size.cacheMap = c.readViews(shared, pointers)
	}
	if len(c.data) == 0 && len(c.views) == 0 {
		return nil, false
	}
	size.header, _ = k.fcbHeader(file)
	size.cached = c.contentEnd(size.data)
	c.Size, c.Bound = size.decide()
	return c, true
}

// readData reads the data section with the control area at area, and returns its end in bytes; 0 when that end is not
// credible.
func (c *CachedFile) readData(area paging.Virt) int64 {
	if c.k.checkArea(area) != nil {
		return 0
	}
	s, err := c.k.openSection(area)
	if err != nil || s.Image {
		return 0
	}
	c.data = s.Subsections
	if end := s.rawEnd(); end <= maxFile {
		return end
	}
	return 0
}

// readViews reads the array of views of a cache map. The cache map is believed when its file object leads back to the
// same section pointers. It returns the file's size as the map has it; 0 when it has none.
func (c *CachedFile) readViews(shared, pointers paging.Virt) int64 {
	k, l := c.k, &c.k.layout.Section
	if !l.MapVacbs.Present() || !l.VacbBase.Present() || !l.MapFile.Present() {
		return 0
	}
	r, err := k.kernel.record(shared, int(l.MapVacbs)+4*k.kernel.pointer)
	if err != nil {
		return 0
	}
	file := r.fastRef(l.MapFile) &^ 7 // a plain pointer before Windows Vista; objects are aligned
	if back, err := k.kernel.ptr(file + paging.Virt(l.FilePointers)); err != nil || back != pointers {
		return 0
	}
	n := (int64(r.u(l.MapSize, 8)) + viewSize - 1) / viewSize
	table := r.ptr(l.MapVacbs)
	c.views = map[int64]paging.Virt{}
	for i := range min(max(n, 0), maxViews) {
		vacb, err := k.kernel.ptr(table + paging.Virt(i*int64(k.kernel.pointer)))
		if err != nil || vacb == 0 {
			continue
		}
		if base, ok := k.view(vacb, shared, i*viewSize); ok {
			c.views[i] = base
		}
	}
	if size := int64(r.u(l.MapFileSize, 8)); size > 0 && size <= maxFile {
		return size
	}
	return 0
}

// view reads a VACB, which must belong to the cache map and say that it shows the file from off on.
func (k *Kernel) view(vacb, shared paging.Virt, off int64) (paging.Virt, bool) {
	l := &k.layout.Section
	r, err := k.kernel.record(vacb, int(max(l.VacbBase, l.VacbMap, l.VacbOffset))+8)
	if err != nil || r.ptr(l.VacbMap) != shared {
		return 0, false
	}
	if at := int64(r.u(l.VacbOffset, 8)) &^ 0xffff; at != off { // its low bits count references
		return 0, false
	}
	base := r.ptr(l.VacbBase)
	return base, base != 0 && base&(viewSize-1) == 0
}

// Page returns the page of the file at offset off, a multiple of 4096, if it is cached. Behind the end of the file it
// holds zeros.
func (c *CachedFile) Page(off int64) (paging.Page, bool) {
	if page, ok := c.dataPage(off); ok {
		return page, true
	}
	base, ok := c.views[off/viewSize]
	if !ok {
		return paging.Page{}, false
	}
	page, err := c.k.Space.Translate(base + paging.Virt(off%viewSize))
	if err != nil || page.Src == nil || page.Size != pageSize {
		return paging.Page{}, false
	}
	return page, true
}

// dataPage returns the page of the data section at offset off of the file, if it is in memory or in a page file.
func (c *CachedFile) dataPage(off int64) (paging.Page, bool) {
	for _, s := range c.data {
		if i := (off - s.FileOffset) / pageSize; off >= s.FileOffset && i < s.Ptes {
			if page, err := c.k.Page(s, i); err == nil && page.Src != nil {
				return page, true
			}
		}
	}
	return paging.Page{}, false
}
