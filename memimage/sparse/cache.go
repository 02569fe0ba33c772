package sparse

import "sync/atomic"

// PageSize is the unit of [Cache] in bytes: that of a small page on every processor that Windows runs on.
const PageSize = 4096

// Cache keeps pages of a source that are asked for in small pieces, such as page tables and kernel structures. It is
// direct-mapped: a page has one place, and the newer one wins, so that memory is bounded and no reader waits for
// another. The range below must not change.
type Cache struct {
	src   Source
	slots []atomic.Pointer[cachedPage]
}

type cachedPage struct {
	number int64
	data   [PageSize]byte
}

// NewCache returns a cache over src of at most the given number of pages, at least one.
func NewCache(src Source, pages int) *Cache {
	return &Cache{src: src, slots: make([]atomic.Pointer[cachedPage], max(pages, 1))}
}

// ReadAt implements [Source]. Reads of a page or more go straight to the source.
func (c *Cache) ReadAt(p []byte, off int64) (int, error) {
	if err := checkOffset(off); err != nil {
		return 0, err
	}
	if len(p) >= PageSize {
		return c.src.ReadAt(p, off)
	}
	done := 0
	for done < len(p) {
		pos := off + int64(done)
		page := c.page(pos / PageSize)
		if page == nil { // holes, ends and damage are the source's to describe
			n, err := c.src.ReadAt(p[done:], pos)
			return done + n, err
		}
		done += copy(p[done:], page.data[pos%PageSize:])
	}
	return done, nil
}

// page returns the page of that number, or nil when it cannot be read whole.
func (c *Cache) page(number int64) *cachedPage {
	slot := &c.slots[uint64(number)%uint64(len(c.slots))]
	if page := slot.Load(); page != nil && page.number == number {
		return page
	}
	page := &cachedPage{number: number}
	if n, _ := c.src.ReadAt(page.data[:], number*PageSize); n < PageSize {
		return nil
	}
	slot.Store(page)
	return page
}

// Size returns the length of the source in bytes.
func (c *Cache) Size() int64 { return c.src.Size() }

// Probe implements [Source] through the source.
func (c *Cache) Probe(off int64) (int64, error) { return c.src.Probe(off) }
