package nt

import (
	"context"
	"slices"

	"memlens/memimage/paging"
)

// Bounds on the search for the addresses of pages.
const (
	maxMappings  = 16      // addresses of one page that are kept
	maxPagesSeen = 1 << 28 // entries of page tables that are looked at: as many as 1 TiB has
)

// locate finds the addresses in the kernel's half at which the pages of the hits are mapped: by the kernel's own page
// tables, and by the page tables of every process, which may have a session's. Tables that are shared are walked once.
func (s *driverScan) locate(ctx context.Context) error {
	s.mapped = map[paging.Phys][]mapping{}
	l := &locator{scan: s, ctx: ctx, seen: map[paging.Frame]bool{}}
	for _, hit := range s.hits {
		l.wanted = append(l.wanted, hit.pa&^(pageSize-1))
	}
	slices.Sort(l.wanted)
	if l.wanted = slices.Compact(l.wanted); len(l.wanted) == 0 {
		return nil
	}
	for space := range s.spaces.all {
		if l.in(space); l.pages > maxPagesSeen || ctx.Err() != nil {
			break
		}
	}
	s.cut = s.cut || l.pages > maxPagesSeen
	return ctx.Err()
}

// locator is a search for the addresses of pages.
type locator struct {
	scan   *driverScan
	ctx    context.Context
	wanted []paging.Phys // in order
	seen   map[paging.Frame]bool
	pages  int
}

// in searches the pages that one space maps.
func (l *locator) in(space DriverSpace) {
	mode := space.Tables.Mode()
	root := space.Tables.Root() &^ (pageSize - 1)
	in := mode.SystemPart()
	space.Tables.Walk(&paging.Walk{
		From: in.From, To: in.To,
		Enter: func(f paging.Frame) bool {
			switch {
			case l.ctx.Err() != nil || l.pages > maxPagesSeen || f.Level > 0 && f.PA == root:
				return false // the entry for the tables themselves leads round in a circle
			case f.Large:
				return l.wants(f.PA, paging.Phys(1)<<mode.Levels[f.Level].Shift)
			case f.Level > 0 && l.seen[f]:
				return false
			}
			l.seen[f] = true
			l.pages += 1 << mode.Levels[f.Level].Bits
			return true
		},
		Page: func(va paging.Virt, pa paging.Phys) bool {
			if l.wants(pa, pageSize) && len(l.scan.mapped[pa]) < maxMappings {
				l.scan.mapped[pa] = append(l.scan.mapped[pa], mapping{space, va})
			}
			return l.pages <= maxPagesSeen
		},
		Leave: func(paging.Frame, bool) {},
	})
}

// wants reports whether one of the pages lies in n bytes from pa on.
func (l *locator) wants(pa, n paging.Phys) bool {
	i, _ := slices.BinarySearch(l.wanted, pa)
	return i < len(l.wanted) && l.wanted[i] < pa+n
}
