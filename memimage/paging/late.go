package paging

import (
	"memlens/memimage/sparse"
)

// maxNeeded bounds the pages of one read that are requested ahead.
const maxNeeded = 256

// willNeed requests all pages with the n bytes from va on at once. Errors are left to the later read.
func (s *Space) willNeed(va Virt, n int64) {
	end := va + Virt(n)
	for i := 0; va < end && i < maxNeeded; i++ {
		next := va&^(pageSize-1) + pageSize
		if page, err := s.Translate(va); err == nil && page.Src != nil {
			off := int64(va - page.VA)
			length := min(page.Size-off, int64(end-va))
			sparse.WillNeed(page.Src, page.Off+off, length)
			next = page.VA + Virt(page.Size)
		}
		if next <= va {
			return
		}
		va = next
	}
}

// WillNeed implements [sparse.Late]. It reads the tables on the way.
func (w *Window) WillNeed(off, n int64) bool {
	if n = min(n, w.size-off); w.space.late && n > 0 {
		w.space.willNeed(w.base+Virt(off), n)
	}
	return w.space.late
}

// aheadEntries is how many valid entries of a table a walk requests ahead.
const aheadEntries = 16

// tableAhead requests the memory that the entries of a table lead to before a walk comes there, where memory is slow to
// read.
type tableAhead struct {
	walk  *tableWalk // nil: nothing is asked for
	level int
	va    Virt
	next  int // the first entry that was not looked at
	asked []int
}

// ahead returns the tableAhead for the table of a level, which maps the addresses from va on.
func (t *tableWalk) ahead(level int, va Virt) tableAhead {
	if !t.space.late || level == t.space.mode.last() && !t.Reads {
		return tableAhead{}
	}
	return tableAhead{walk: t, level: level, va: va}
}

// pass says that the walk has come to entry i.
func (a *tableAhead) pass(i int) {
	if a.walk == nil {
		return
	}
	for len(a.asked) > 0 && a.asked[0] < i {
		a.asked = a.asked[1:]
	}
	if len(a.asked) > aheadEntries/2 {
		return
	}
	l := a.walk.space.mode.Levels[a.level]
	for a.next = max(a.next, i); a.next < 1<<l.Bits && len(a.asked) < aheadEntries; a.next++ {
		if a.ask(a.next, l) {
			a.asked = append(a.asked, a.next)
		}
	}
}

// ask requests the memory that an entry leads to; false: it leads nowhere, or the walk does not go there.
func (a *tableAhead) ask(i int, l Level) bool {
	m := a.walk.space.mode
	at := m.Canonicalize(a.va | Virt(i)<<l.Shift)
	entry := a.walk.entry(a.level, i)
	if !m.valid(a.level, entry) || at >= a.walk.To || at+(1<<l.Shift-1) < a.walk.From || a.walk.Skip != nil && a.walk.Skip(entry) {
		return false
	}
	switch {
	case a.level == m.last():
		sparse.WillNeed(a.walk.space.mem, int64(m.frame(entry, l.Shift)), pageSize)
	case !m.maps(a.level, entry):
		sparse.WillNeed(a.walk.space.mem, int64(m.frame(entry, 12)), pageSize)
	default:
		return false // a large page
	}
	return true
}
