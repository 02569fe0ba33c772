package integrity

import (
	"bytes"
	"cmp"
	"slices"

	"memlens/memimage/restore"
)

// collector makes runs of pieces, which come in the order of their addresses.
type collector struct {
	c       *comparison
	witness Witness
	differs []stretch // of the last run, to report when its cause is sure

	last Run  // the run that may grow
	open bool // there is one
	zero bool // the whole run is zeros in memory
}

// add adds a piece to the last run, or begins another.
func (l *collector) add(p *piece) error {
	if !l.open || !l.continuedBy(p) {
		if err := l.flush(); err != nil {
			return err
		}
		l.last = Run{RVA: p.rva, Section: p.section, Cause: p.cause, Certainty: p.certainty, Target: p.target, Note: p.note}
		l.open, l.zero = true, true
	}
	if err := l.fillGap(p); err != nil {
		return err
	}
	l.append(p.was, p.is)
	return nil
}

// continuedBy reports whether a piece belongs to the last run. A change that leads somewhere is a separate run.
func (l *collector) continuedBy(p *piece) bool {
	r := &l.last
	gap := int64(p.rva) - r.End()
	return r.Cause == p.cause && r.Section == p.section && r.Certainty == p.certainty && r.Note == p.note &&
		(p.cause.Innocent() || r.Target == 0 && p.target == 0) && gap >= 0 && gap <= p.cause.gap() && gap < pageSize // a whole page may be missing
}

// fillGap adds the equal bytes between the last run and a piece.
func (l *collector) fillGap(p *piece) error {
	gap := int64(p.rva) - l.last.End()
	if l.last.Len == 0 || gap <= 0 {
		return nil
	}
	if shown := min(gap, maxShown-int64(len(l.last.Is))); shown > 0 {
		b := make([]byte, shown)
		if _, err := l.c.memory.ReadAt(b, l.last.End()); err == nil {
			l.last.Was, l.last.Is = append(l.last.Was, b...), append(l.last.Is, b...)
		}
	}
	l.last.Len += gap
	return nil
}

// append makes the last run longer.
func (l *collector) append(was, is []byte) {
	r := &l.last
	r.Len += int64(len(is))
	for i := range is {
		if was[i] != is[i] {
			r.Changed++
			l.note(r.RVA + uint32(r.Len) - uint32(len(is)-i))
		}
		l.zero = l.zero && is[i] == 0
	}
	n := min(len(is), max(0, maxShown-len(r.Is)))
	r.Was, r.Is = append(r.Was, was[:n]...), append(r.Is, is[:n]...)
}

// flush ends the last run: now the whole run is known.
func (l *collector) flush() error {
	if !l.open {
		return nil
	}
	l.open = false
	r := &l.last
	switch {
	case r.Cause == HeaderChanged:
		l.endHeader(r)
	case r.Cause == CodeChanged && r.Target == 0:
		l.c.endCode(r)
	}
	l.tell()
	l.c.name(r)
	if r.Cause.Innocent() && r.Len > int64(l.c.header.PointerSize()) { // many numbers
		r.Target, r.TargetModule, r.TargetRVA = 0, "", 0
	}
	l.c.result.Bytes[r.Cause] += r.Changed
	if len(l.c.result.Runs) == maxRuns {
		l.c.result.LeftOut++
		return nil
	}
	l.c.result.Runs = append(l.c.result.Runs, *r)
	return nil
}

// endHeader distinguishes an erased header from a changed one, and finds out whether it is another program's.
func (l *collector) endHeader(r *Run) {
	if r.RVA < 2 && l.zero {
		r.Cause = HeaderErased
		return
	}
	if l.c.compareHeaders(); l.c.managed() && l.c.otherHead == "" {
		r.Cause, r.Certainty = LoaderSlot, restore.Assumed
		r.Note = join(r.Note, "the runtime of .NET is assumed to have done it: it changes the entry point, and makes a PE32+ header of a PE32 one")
	}
}

// sort puts the runs in the order of their addresses: hostile tables may list them in another order.
func (r *Result) sort() {
	slices.SortStableFunc(r.Runs, func(a, b Run) int {
		return cmp.Or(cmp.Compare(a.RVA, b.RVA), cmp.Compare(a.Cause, b.Cause), bytes.Compare(a.Is, b.Is))
	})
}

// name names the module that the run leads to.
func (c *comparison) name(r *Run) {
	if r.Target == 0 {
		return
	}
	if m := c.moduleAt(r.Target); m != nil {
		r.TargetModule, r.TargetRVA = m.Name, r.Target-m.Base
	} else if note := c.outside(); !r.Cause.Innocent() || r.Certainty != restore.Exact {
		r.Note = join(r.Note, note)
	}
}
