package paging

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"memlens/memimage/sparse"
)

// ReadVirt fills p from address va on. It stops at the first missing byte, with an error that is a [sparse.Gap], mostly
// a *[FaultError].
func (s *Space) ReadVirt(p []byte, va Virt) (int, error) {
	done := 0
	if s.late && len(p) > pageSize {
		s.willNeed(va, int64(len(p)))
	}
	for done < len(p) {
		at := va + Virt(done)
		if at < va { // around the top of the address space
			return done, &FaultError{VA: at, Size: int64(len(p) - done), State: NotCanonical}
		}
		n, err := s.readPage(p[done:], at)
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// readPage fills p from va on, at most up to the end of the page.
func (s *Space) readPage(p []byte, va Virt) (int, error) {
	page, err := s.Translate(va)
	if err != nil {
		return 0, err
	}
	inside := int64(va - page.VA)
	if rest := page.Size - inside; int64(len(p)) > rest {
		p = p[:rest]
	}
	n, err := page.ReadAt(p, inside)
	if n == len(p) {
		return n, nil
	}
	return n, s.readError(err, page, va+Virt(n))
}

// ReadAt implements [io.ReaderAt] within the page.
func (p Page) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 || off > p.Size {
		return 0, fmt.Errorf("paging: offset %#x in a page of %#x bytes", off, p.Size)
	}
	var err error
	if rest := p.Size - off; int64(len(b)) > rest {
		b, err = b[:rest], io.EOF
	}
	if p.Src == nil {
		clear(b)
		return len(b), err
	}
	n, srcErr := readFull(p.Src, b, p.Off+off)
	if srcErr != nil {
		err = srcErr
	}
	return n, err
}

// readError says why a page that was translated could not be read whole: its frame or its place in a page file lies
// partly outside of the image, or the source is damaged, which is no gap.
func (s *Space) readError(err error, page Page, va Virt) error {
	inside := int64(va - page.VA)
	if !isMissing(err) {
		return fmt.Errorf("paging: reading %#x: %w", uint64(va), err)
	}
	state := Unreadable
	if page.State == Dumped {
		state = NotDumped
	}
	return &FaultError{VA: va, Size: gapWithin(err, page.Size-inside), State: state, Via: page.Via, Entry: page.Entry, Off: page.Off + inside, Err: sparse.Cause(err)}
}

// Window is the part of an address space from Base on: an offset in it is a distance from Base, so that in a module's
// window it is the RVA. It is a [sparse.Source].
type Window struct {
	space *Space
	base  Virt
	size  int64
}

// Window returns the window of size bytes from base on, cut where the address space ends.
func (s *Space) Window(base Virt, size int64) *Window {
	top := s.mode.top() - base&s.mode.top() + 1 // bytes from base to the end; 0: 64 bits of addresses
	if top != 0 && uint64(top) < uint64(max(size, 0)) {
		size = int64(top)
	}
	return &Window{s, base, max(size, 0)}
}

// Base returns the address of offset 0.
func (w *Window) Base() Virt { return w.base }

// Size returns the length in bytes.
func (w *Window) Size() int64 { return w.size }

// ReadAt implements [io.ReaderAt]; it is as strict as [Space.ReadVirt].
func (w *Window) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("paging: negative offset %d", off)
	}
	if off >= w.size {
		return 0, io.EOF
	}
	var end error
	if rest := w.size - off; int64(len(p)) > rest {
		p, end = p[:rest], io.EOF
	}
	n, err := w.space.ReadVirt(p, w.base+Virt(off))
	if err == nil {
		err = end
	}
	return n, err
}

// Probe implements [sparse.Source].
func (w *Window) Probe(off int64) (int64, error) {
	if off < 0 {
		return 0, fmt.Errorf("paging: negative offset %d", off)
	}
	if off >= w.size {
		return 0, io.EOF
	}
	va := w.base + Virt(off)
	page, err := w.space.Translate(va)
	if err == nil {
		var n int64
		n, err = page.Probe(int64(va - page.VA))
		return min(n, w.size-off), err
	}
	n := int64(1)
	if gap, ok := errors.AsType[sparse.Gap](err); ok {
		n = gap.Gap()
	}
	return min(n, w.size-off), err
}

// Probe returns how many bytes of the page from off on, an offset in it, have the same state, and whether they can be
// read.
func (p Page) Probe(off int64) (int64, error) {
	if off < 0 || off >= p.Size {
		return 0, io.EOF
	}
	if p.Src == nil {
		return p.Size - off, nil
	}
	n, err := p.Src.Probe(p.Off + off)
	if errors.Is(err, io.EOF) {
		n = p.Size - off
		err = &sparse.HoleError{Off: off, Len: n, Err: errOutside}
	}
	return min(n, p.Size-off), err
}

// FirstHole returns the first offset among the n bytes from off on, an offset in the page, that cannot be read, and
// why; the error is nil when all can be read.
func (p Page) FirstHole(off, n int64) (int64, error) {
	if p.Src == nil {
		return off + n, nil
	}
	at, err := sparse.FirstHole(p.Src, p.Off+off, min(n, p.Size-off))
	return at - p.Off, err
}

// errOutside says that a frame lies behind the end of the acquired memory.
var errOutside = errors.New("the image does not hold it")

// Pages yields the pages from the page with address from on, until to: missing pages in steps of small pages, present
// pages in steps of their own size. Each comes with its page or with its *[FaultError]. The addresses between the
// halves of the space, which no page can have, are one step.
func (s *Space) Pages(from, to Virt) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		for va := from &^ (pageSize - 1); va < to; {
			page, err := s.Translate(va)
			if !yield(page, err) {
				return
			}
			next := va + pageSize
			if err == nil {
				next = page.VA + Virt(page.Size)
			} else if !s.mode.Canonical(va) {
				next = va + Virt(s.toCanonical(va))
			}
			if next <= va {
				return
			}
			va = next
		}
	}
}
