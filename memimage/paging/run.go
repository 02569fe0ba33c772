package paging

import (
	"errors"
	"iter"

	"memlens/memimage/sparse"
)

// Run is a run of addresses of one state: all can be read, or all are missing for one reason. The next run may have the
// same state.
type Run struct {
	VA   Virt
	Len  int64
	Step int64 // bytes that a probe of each page covers, fewer for the last page: a run of pages has a page
	Err  error // why the first byte is missing, as [Window.Probe] says it; nil: all can be read
}

// Runs yields the runs from one address on, before another, in order. They agree with [Window.Probe] step by step. The
// error is from a failed read, and ends the runs; the last run says where it happened.
func (c *Cursor) Runs(from, to Virt) iter.Seq2[Run, error] {
	return func(yield func(Run, error) bool) {
		for va := from; va < to; {
			run := c.run(va, to)
			run.Len = min(run.Len, int64(min(to-va, 1<<62)))
			failed := run.Err
			if sparse.IsHole(failed) {
				failed = nil
			}
			next := va + Virt(run.Len)
			if !yield(run, failed) || failed != nil || next <= va {
				return
			}
			va = next
		}
	}
}

// run returns the run that begins at va.
func (c *Cursor) run(va, to Virt) Run {
	s := c.space
	if s.dumped || !s.mode.Canonical(va) {
		page, err := s.Translate(va)
		return probed(va, page, err)
	}
	level, entry, err := c.find(va)
	if err != nil {
		return probed(va, Page{}, err)
	}
	span := Virt(1) << s.mode.Levels[level].Shift
	whole := va&(span-1) == 0
	if whole && level == s.mode.last() {
		if n := c.mapped(va, entry, to); n > 0 {
			return Run{VA: va, Len: n * pageSize, Step: pageSize}
		}
	}
	page, err := s.end(va, level, entry)
	run := probed(va, page, err)
	if whole && entry == 0 && run.Len == int64(span) {
		run.Len *= c.absent(level, va, to, run.Err)
	}
	return run
}

// probed makes a run from a translation of va.
func probed(va Virt, page Page, err error) Run {
	n := int64(1)
	if err == nil {
		n, err = page.Probe(int64(va - page.VA))
	} else if gap, ok := errors.AsType[sparse.Gap](err); ok {
		n = gap.Gap()
	}
	n = max(n, 1)
	return Run{VA: va, Len: n, Step: n, Err: err}
}

// mapped returns how many entries of the last level's table, from va's on, which is entry, map a page that is in the
// image as a whole: 0 where va's entry does not, or needs a closer look.
func (c *Cursor) mapped(va Virt, entry uint64, to Virt) (n int64) {
	m := c.space.mode
	level := m.last()
	for ok := true; ok && m.valid(level, entry) && c.holds(int64(m.frame(entry, 12))); n++ {
		entry, ok = c.next(level, va+Virt(n+1)*pageSize, to)
	}
	return n
}

// holds reports whether the image holds a whole page. It keeps the range that it found, because mostly the next page is
// asked for.
func (c *Cursor) holds(pa int64) bool {
	if c.readable <= pa && pa <= c.readableEnd-pageSize {
		return true
	}
	n, err := c.space.mem.Probe(pa)
	if err != nil || n < pageSize || pa > pa+n {
		return false
	}
	c.readable, c.readableEnd = pa, pa+n
	return true
}

// next returns the entry of a level for va, if va lies before to and the kept table of the level is whole and va's own.
func (c *Cursor) next(level int, va, to Virt) (entry uint64, ok bool) {
	if t := &c.tables[level]; va >= to || !t.whole || t.number != c.number(level, va) {
		return 0, false
	}
	m := c.space.mode
	entry, err := c.entry(level, m.index(m.Levels[level], va))
	return entry, err == nil
}

// absent returns how many entries of a level from va's on, which is zero, are zero and mean the same as the fault
// missing.
func (c *Cursor) absent(level int, va, to Virt, missing error) (n int64) {
	to = min(to, c.alike(va, missing))
	span := Virt(1) << c.space.mode.Levels[level].Shift
	for n = 1; ; n++ {
		at := va + Virt(n)*span
		if at < va || at+(span-1) >= to || !c.space.mode.Canonical(at) {
			return n
		}
		if entry, ok := c.next(level, at, to); !ok || entry != 0 {
			return n
		}
	}
}

// alike returns the end of the addresses from va on for which an entry of zero means the same: all addresses, unless
// there are descriptors, which know the end.
func (c *Cursor) alike(va Virt, missing error) Virt {
	s := c.space
	if s.soft == nil || s.backing == nil {
		return ^Virt(0)
	}
	b, ok := s.backing.(Bounded)
	fault, isFault := errors.AsType[*FaultError](missing)
	if !ok || !isFault || fault.State != NotPresent {
		return va
	}
	if _, has, err := b.PrototypePTE(va); has || err != nil {
		return va
	}
	return b.Unbacked(va)
}
