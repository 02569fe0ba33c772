package paging

import (
	"fmt"

	"memlens/memimage/sparse"
)

// NewDumpedSpace returns the address space of a process with memory mem: offsets in mem are virtual addresses. The mode
// says how wide addresses are. There are no page tables: [Space.Follow] adds nothing, and [Space.Walk] finds nothing.
func NewDumpedSpace(mode *Mode, mem sparse.Source) *Space {
	return &Space{mode: mode, mem: mem, dumped: true, late: sparse.IsLate(mem)}
}

// inDump finds the page that va lies in. Some of its bytes may be missing: ranges of a dump may begin and end anywhere.
func (s *Space) inDump(va Virt) (Page, error) {
	start := va &^ (pageSize - 1)
	if int64(va) < 0 { // the system's part is in no dump of a process
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

// gapFrom returns how many bytes from va on are missing in the dump, by err. Behind the end of the dump all are
// missing.
func (s *Space) gapFrom(va Virt, err error) int64 {
	if rest := s.mode.user - int64(va); int64(va) >= s.mem.Size() && rest > 0 {
		return rest
	}
	return gapWithin(err, 1<<62)
}
