package memimage

import (
	"memlens/memimage/mdmp"
	"memlens/memimage/nt"
	"memlens/memimage/paging"
)

// addRegion adds a stretch of a descriptor's addresses. Equal neighbours become one region.
func (w *memoryWalk) addRegion(v *nt.VAD, start, end paging.Virt, fault *paging.FaultError) {
	r := mdmp.Region{Start: uint64(start), Len: uint64(end - start), Allocation: uint64(v.Start), AllocatedAs: pageProtection(v.Protection), Type: regionType(v)}
	r.State = mdmp.Reserve
	if isCommitted(v, fault) {
		r.State, r.Protect = mdmp.Commit, r.AllocatedAs
	}
	w.joinRegion(r)
}

// addUndescribed adds memory that only page tables know: the protection at its allocation is not known. It is known for
// the page that Windows shares with every program.
func (w *memoryWalk) addUndescribed(start, end paging.Virt) {
	r := mdmp.Region{Start: uint64(start), Len: uint64(end - start), Allocation: uint64(start), State: mdmp.Commit}
	if start == sharedInUser && end == start+pageSize {
		r.AllocatedAs, r.Protect, r.Type = mdmp.ReadOnly, mdmp.ReadOnly, mdmp.Private
	} else if last := len(w.regions) - 1; last >= 0 && w.regions[last].Type == 0 && w.regions[last].Start+w.regions[last].Len == r.Start {
		r.Allocation = w.regions[last].Allocation
	}
	w.joinRegion(r)
}

// sharedInUser is the address at which every program sees the page that Windows shares with it (USER_SHARED_DATA).
const sharedInUser = 0x7ffe0000

// joinRegion adds a region, or makes the region before longer where both are equal.
func (w *memoryWalk) joinRegion(r mdmp.Region) {
	if last := len(w.regions) - 1; last >= 0 {
		before := &w.regions[last]
		if before.Start+before.Len == r.Start && before.Allocation == r.Allocation && before.State == r.State {
			before.Len += r.Len
			return
		}
	}
	w.regions = append(w.regions, r)
}

// isCommitted reports whether memory of a descriptor is known to be committed. A page that is present, or whose fault
// names another place, proves it. Pages of private memory that nobody has used yet are known by the descriptor alone,
// if that committed all pages.
func isCommitted(v *nt.VAD, fault *paging.FaultError) bool {
	return fault == nil || v.Image || v.Committed || isLost(fault.State)
}

func regionType(v *nt.VAD) uint32 {
	switch {
	case v.Private:
		return mdmp.Private
	case v.Image:
		return mdmp.Image
	}
	return mdmp.Mapped
}

// pageProtection writes a protection as the Windows interface does (PAGE_*); 0 where it is not known.
func pageProtection(p nt.Protection) uint32 {
	const bits, noAccess = 7, 1
	if p > 31 {
		return 0
	}
	what := [...]uint32{noAccess, 0x02, 0x10, 0x20, 0x04, 0x08, 0x40, 0x80}[p&bits]
	if what == noAccess { // the high bits then say other things
		return what
	}
	return what | [...]uint32{0, 0x200, 0x100, 0x400}[p>>3] // PAGE_NOCACHE, PAGE_GUARD, PAGE_WRITECOMBINE
}
