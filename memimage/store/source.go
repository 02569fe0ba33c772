package store

import (
	"errors"
	"fmt"
	"io"

	lru "github.com/hashicorp/golang-lru/v2"

	"memlens/memimage/sparse"
)

// keptPages is how many unpacked pages are kept: 4 MiB.
const keptPages = 1024

// sourceSize is the length of a [Source]: offsets of page-table entries have 32 bits.
const sourceSize = 1 << 44

// Source presents the store as a page file: the page for which an entry has an offset is read at that offset. It is a
// [sparse.Source]; a page that the store does not have is a hole whose cause is a *[LostError]. It is safe for
// concurrent use.
type Source struct {
	global *Global
	number int
	pages  *lru.Cache[int64, *unpacked]
}

// unpacked is a page, or the reason why it is lost.
type unpacked struct {
	data    []byte
	assumed Assumption
	err     *LostError
}

// NewSource returns the store as the page file with a number.
func NewSource(g *Global, number int) *Source {
	s := &Source{global: g, number: number}
	s.pages, _ = lru.New[int64, *unpacked](keptPages)
	return s
}

// Size returns the length in bytes of the range that entries can name.
func (s *Source) Size() int64 { return sourceSize }

// Layout returns the layout of the store's structures.
func (s *Source) Layout() Layout { return s.global.layout }

// Assumption returns the assumption about the page at an offset.
func (s *Source) Assumption(off int64) Assumption {
	p, err := s.page(off / pageSize)
	if err != nil {
		return Nothing
	}
	return p.assumed
}

// page returns a page by its number. The error wraps a *[sparse.ReadError].
func (s *Source) page(n int64) (*unpacked, error) {
	if p, ok := s.pages.Get(n); ok {
		return p, nil
	}
	p := new(unpacked)
	key, ok := s.global.layout.Key(s.number, uint64(n))
	if !ok {
		p.err = &LostError{Why: NoKey, Err: fmt.Errorf("no key stands for page %#x", n)}
	} else {
		data := make([]byte, pageSize)
		assumed, err := s.global.Page(key, data)
		if err != nil && !errors.As(err, &p.err) {
			return nil, err
		}
		p.data, p.assumed = data, assumed
	}
	s.pages.Add(n, p)
	return p, nil
}

// ReadAt implements [sparse.Source].
func (s *Source) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("store: negative offset %d", off)
	}
	for done := 0; done < len(b); {
		at := off + int64(done)
		if at >= sourceSize {
			return done, io.EOF
		}
		p, err := s.page(at / pageSize)
		if err != nil {
			return done, err
		}
		inside := at % pageSize
		if p.err != nil {
			return done, &sparse.HoleError{Off: at, Len: pageSize - inside, Err: p.err}
		}
		done += copy(b[done:], p.data[inside:])
	}
	return len(b), nil
}

// Probe implements [sparse.Source].
func (s *Source) Probe(off int64) (int64, error) {
	if off < 0 {
		return 0, fmt.Errorf("store: negative offset %d", off)
	}
	if off >= sourceSize {
		return 0, io.EOF
	}
	rest := pageSize - off%pageSize
	p, err := s.page(off / pageSize)
	if err != nil {
		return 0, err
	}
	if p.err != nil {
		return rest, &sparse.HoleError{Off: off, Len: rest, Err: p.err}
	}
	return rest, nil
}

// closed is a store that exists but cannot be read.
type closed struct {
	hole *LostError
	err  error // the error of every read; nil: every page is a hole, because of hole
}

// Unknown returns a store like a [Source] that is one hole, for the reason given.
func Unknown(why error) sparse.Source {
	return closed{hole: &LostError{Why: UnknownStore, Err: why}}
}

// Failing returns a store like a [Source] that is not known because reads failed. The error wraps a
// *[sparse.ReadError].
func Failing(err error) sparse.Source { return closed{err: err} }

func (closed) Size() int64 { return sourceSize }

func (c closed) ReadAt(_ []byte, off int64) (int, error) {
	_, err := c.Probe(off)
	return 0, err
}

func (c closed) Probe(off int64) (int64, error) {
	rest := pageSize - off%pageSize
	switch {
	case off < 0:
		return 0, fmt.Errorf("store: negative offset %d", off)
	case off >= sourceSize:
		return 0, io.EOF
	case c.err != nil:
		return 0, c.err
	}
	return rest, &sparse.HoleError{Off: off, Len: rest, Err: c.hole}
}
