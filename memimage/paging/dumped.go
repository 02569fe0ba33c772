package paging

import (
	"fmt"

	"memlens/memimage/sparse"
)

// NewDumpedSpace returns the address space of a process of which mem is the memory: offsets in it are virtual addresses. The
// mode says how wide addresses are. There are no page tables: [Space.Follow] and [Space.Walk] add and find nothing.
func NewDumpedSpace(mode *Mode, mem sparse.Source) *Space {
	return &Space{mode: mode, mem: mem, dumped: true, late: sparse.IsLate(mem)}
}

// inDump finds the page that va lies in. Its bytes need not all be there: ranges of a dump may begin and end anywhere.
func (s *Space) inDump(va Virt) (Page, error) {
	start := va &^ (pageSize - 1)
	if int64(va) < 0 { // the system's part, of which no process is dumped
		return Page{}, &FaultError{VA: va, Size: pageSize - int64(va-start), State: NotDumped}
	}
	if _, err := s.mem.Probe(int64(va)); err != nil {
		if !isMissing(err) {
			return Page{}, fmt.Errorf("paging: the page at %#x: %w", uint64(va), err)
		}
		return Page{}, &FaultError{VA: va, Size: s.gapFrom(va, err), State: NotDumped, Err: sparse.Cause(err)}
	}
	return Page{VA: start, Size: pageSize, State: Dumped, Src: s.mem, Off: int64(start)}, nil
}

// gapFrom returns how many bytes from va on are not in the dump as err says. Behind the end of it are none.
func (s *Space) gapFrom(va Virt, err error) int64 {
	if rest := s.mode.user - int64(va); int64(va) >= s.mem.Size() && rest > 0 {
		return rest
	}
	return gapWithin(err, 1<<62)
}
