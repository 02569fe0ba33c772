package nt

import (
	"memlens/memimage/paging"
)

// hunt looks at the pages that one page directory after the other maps where the kernel can be. Processes share the
// tables of the kernel's half. So tables and pages without a candidate are looked at only once.
type hunt struct {
	work   *work
	barren map[paging.Frame]bool // tables and large pages under which there is nothing
	tried  map[paging.Phys]int   // candidates for the page: how often they were wrong
}

// maxTries is how often a candidate page is tried. Through the damaged tables of an exited process it may look wrong,
// and through the tables of another process right.
const maxTries = 64

func newHunt(w *work) *hunt {
	return &hunt{work: w, barren: map[paging.Frame]bool{}, tried: map[paging.Phys]int{}}
}

// promise is the outcome of a look at a page.
type promise int

const (
	nothing promise = iota
	perhaps         // it may be the page that is searched for, by other page directories
	sought
)

// in looks at the pages that the page directory of space maps where the kernel can be, until look returns sought, or
// the work is used up. Where look returns nothing, that must not depend on the page directory.
func (h *hunt) in(space *paging.Space, look func(va paging.Virt, page []byte) promise) {
	in := space.Mode().Arch.Kernel
	page := make([]byte, pageSize)
	hits := 0 // candidate pages
	var entered []int
	space.Walk(&paging.Walk{
		From: in.From, To: in.To, Reads: true,
		Enter: func(f paging.Frame) bool {
			if h.barren[f] || !h.work.spend(1) {
				return false
			}
			entered = append(entered, hits)
			return true
		},
		Page: func(va paging.Virt, pa paging.Phys) bool {
			if !h.work.spend(1) {
				return false
			}
			p := h.page(space, va, pa, page, look)
			if p == perhaps {
				hits++
			}
			return p != sought
		},
		Leave: func(f paging.Frame, whole bool) {
			last := len(entered) - 1
			if whole && hits == entered[last] && h.work.left > 0 {
				h.barren[f] = true
			}
			entered = entered[:last]
		},
	})
}

// page looks at a page, unless it was tried often enough.
func (h *hunt) page(space *paging.Space, va paging.Virt, pa paging.Phys, buf []byte, look func(va paging.Virt, page []byte) promise) promise {
	if h.tried[pa] >= maxTries {
		return nothing
	}
	n, err := space.ReadPhys(buf, pa)
	p := look(va, buf[:n])
	switch {
	case p == perhaps:
		h.tried[pa]++
	case p == nothing && err != nil:
		return perhaps // a page that could not be read may be readable the next time
	}
	return p
}
