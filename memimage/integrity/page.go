package integrity

import (
	"bytes"
	"cmp"
	"errors"

	"memlens/memimage/reason"
	"memlens/memimage/sparse"
)

// origin says with which of the file's pages a page is compared.
type origin uint8

const (
	fromSection origin = iota // the image section's, which the kernel may have relocated
	fromCache                 // the file cache's, as on disk
)

// page compares the page at rva.
func (c *comparison) page(rva uint32) error {
	own, err := c.in.Memory(rva)
	switch {
	case errors.Is(err, ErrShared):
		c.result.Shared++
		c.runs.witness.Compared(rva, pageSize)
		return nil
	case err == nil:
		err = fill(c.is[:], own)
	}
	if err != nil {
		return c.missed(rva, false, "", err)
	}
	from, err := c.readFile(rva)
	if err != nil {
		return c.missed(rva, true, "the file's own page: ", err)
	}
	if c.was == c.is {
		c.result.Compared++
		c.runs.witness.Compared(rva, pageSize)
		return nil
	}
	if err := c.prepare(); err != nil {
		return err
	}
	if c.noHeader != nil {
		return c.missed(rva, true, "what the loader does to it is not known: ", c.noHeader)
	}
	c.result.Compared++
	c.runs.witness.Compared(rva, pageSize)
	return c.differ(rva, from)
}

// fill reads a page. The error says why a byte is missing.
func fill(b []byte, p Page) error {
	n, err := p.Src.ReadAt(b, p.Off)
	if n == len(b) {
		return nil
	}
	return err
}

// missed counts the page at rva, which cannot be compared, unless reading failed. there says that memory has the page.
func (c *comparison) missed(rva uint32, there bool, what string, err error) error {
	if sparse.Failed(err) {
		return err
	}
	c.runs.witness.NotCompared(rva, pageSize, there)
	c.result.miss(reason.Of(err).Code, what+why(err).Error())
	return nil
}

// readFile reads the file's own page at rva.
func (c *comparison) readFile(rva uint32) (origin, error) {
	p, missing := c.in.File(rva)
	if missing == nil {
		missing = fill(c.was[:], p)
	}
	if missing == nil || sparse.Failed(missing) || c.in.Cached == nil {
		return fromSection, missing
	}
	if err := c.prepare(); err != nil || c.noHeader != nil {
		return fromSection, cmp.Or(err, missing)
	}
	if err := c.fromCache(&c.was, rva); err != nil {
		if sparse.Failed(err) {
			return fromCache, err
		}
		return fromCache, missing
	}
	return fromCache, nil
}

// fromCache makes the page at rva from the cached pages of the file: zeros where the file has no bytes for it.
func (c *comparison) fromCache(b *[pageSize]byte, rva uint32) error {
	clear(b[:])
	for at := int64(0); at < pageSize; {
		off, n, ok := c.tables.FileOffset(int64(rva) + at)
		if !ok {
			return nil // bytes behind the raw data of a section
		}
		n = min(n, pageSize-at, pageSize-off%pageSize)
		p, err := c.in.Cached(off &^ (pageSize - 1))
		if err != nil {
			return err
		}
		if got, err := p.Src.ReadAt(b[at:at+n], p.Off+off%pageSize); got < int(n) {
			return err
		}
		at += n
	}
	return nil
}

// differ lists how the page at rva differs.
func (c *comparison) differ(rva uint32, from origin) error {
	if c.places == nil {
		var err error
		if c.places, err = c.findPlaces(); err != nil {
			return err
		}
	}
	c.original = c.was
	p := &pageDiff{c: c, rva: rva, from: from}
	if err := p.relocate(); err != nil {
		return err
	}
	if bytes.Equal(c.was[:], c.is[:]) {
		return p.emitMoved(pageSize)
	}
	return p.walk()
}
