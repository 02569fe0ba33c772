package sparse

import (
	"encoding/binary"
	"sync"
)

// PageSize is the unit of [Cache] in bytes: the size of a small page on every processor that Windows runs on.
const PageSize = 4096

// Cache keeps pages of a source that are asked for in small pieces, such as page tables and kernel structures, or one by
// one and more than once, such as the pages of an executable that is looked at in several ways. It is
// direct-mapped: a page has one place, and the newer one wins, so that memory is bounded. No reader waits while another
// reads the source. The range below must not change.
type Cache struct {
	src   Source
	slots []slot
	free  sync.Pool // pages that newer pages have replaced
	late  bool      // the bytes of the source come late
}

// slot is a place for a page.
type slot struct {
	mu     sync.Mutex
	number int64
	page   *cachedPage // nil: no page
}

type cachedPage [PageSize]byte

// NewCache returns a cache over src of at most the given number of pages, at least one.
func NewCache(src Source, pages int) *Cache {
	return &Cache{src: src, slots: make([]slot, max(pages, 1)), late: IsLate(src)}
}

// ReadAt implements [Source]. Reads that are longer than a page, or of a
// page's length across two pages, go straight to the source.
func (c *Cache) ReadAt(p []byte, off int64) (int, error) {
	if err := checkOffset(off); err != nil {
		return 0, err
	}
	if len(p) > PageSize || len(p) == PageSize && off%PageSize != 0 {
		return c.src.ReadAt(p, off)
	}
	done := 0
	for done < len(p) {
		pos := off + int64(done)
		n, ok := c.copyFrom(pos/PageSize, p[done:], pos%PageSize)
		if !ok { // the source describes holes, ends and damage
			n, err := c.src.ReadAt(p[done:], pos)
			return done + n, err
		}
		done += n
	}
	return done, nil
}

// Number returns the little-endian number of size bytes, 4 or 8, at an offset that is a multiple of size. If it
// returns false, the number could not be read; ReadAt gives the reason. It is for page tables, which are read entry
// by entry.
func (c *Cache) Number(off int64, size int) (uint64, bool) {
	if off < 0 || off%int64(size) != 0 {
		return 0, false
	}
	var b [8]byte
	if n, ok := c.copyFrom(off/PageSize, b[:size], off%PageSize); !ok || n < size {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b[:]), true
}

// Fill fills p, which lies in one page, from offset off on, through the cache even if p is the whole page. If it
// returns false, the bytes could not be read; ReadAt gives the reason. It is for walks, which read whole page tables.
func (c *Cache) Fill(p []byte, off int64) bool {
	if off < 0 || off%PageSize+int64(len(p)) > PageSize {
		return false
	}
	_, ok := c.copyFrom(off/PageSize, p, off%PageSize)
	return ok
}

// copyFrom copies from an offset in the page of that number on; false when the page cannot be read whole.
func (c *Cache) copyFrom(number int64, p []byte, off int64) (int, bool) {
	s := &c.slots[uint64(number)%uint64(len(c.slots))]
	if n, ok := s.copy(number, p, off); ok {
		return n, true
	}
	page, _ := c.free.Get().(*cachedPage)
	if page == nil {
		page = new(cachedPage)
	}
	if n, _ := c.src.ReadAt(page[:], number*PageSize); n < PageSize {
		c.free.Put(page)
		return 0, false
	}
	n := copy(p, page[off:])
	if page = s.swap(number, page); page != nil {
		c.free.Put(page)
	}
	return n, true
}

// copy copies from an offset in the page of that number on, if that page is here.
func (s *slot) copy(number int64, p []byte, off int64) (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.page == nil || s.number != number {
		return 0, false
	}
	return copy(p, s.page[off:]), true
}

// swap puts a page here and returns the page that it replaces.
func (s *slot) swap(number int64, page *cachedPage) *cachedPage {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.page
	s.number, s.page = number, page
	return old
}

// Size returns the length of the source in bytes.
func (c *Cache) Size() int64 { return c.src.Size() }

// Probe implements [Source] through the source.
func (c *Cache) Probe(off int64) (int64, error) { return c.src.Probe(off) }
