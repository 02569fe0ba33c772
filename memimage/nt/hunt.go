package nt

import (
	"memlens/memimage/paging"
)

// hunt looks at what one page directory after the other maps where the kernel can be. Processes share the tables of the
// kernel's half, so what was looked at once, and has nothing on it that may be what is sought, is not looked at again.
type hunt struct {
	work   *work
	barren map[paging.Frame]bool // tables and large pages under which there is nothing
	tried  map[paging.Phys]int   // pages that may be what is sought: how often they were not
}

// maxTries is how often a page is tried that may be what is sought. Through the damaged tables of an exited process it may
// not be, and through those of another it may.
const maxTries = 64

func newHunt(w *work) *hunt {
	return &hunt{work: w, barren: map[paging.Frame]bool{}, tried: map[paging.Phys]int{}}
}

// promise is what a look at a page says.
type promise int

const (
	nothing promise = iota
	perhaps         // it may be what is sought, by other page directories
	sought
)

// in looks at the pages that the page directory of space maps where the kernel can be, until look says that one is what is
// sought, or the work is used up. What look says of a page that is nothing must not depend on the page directory.
func (h *hunt) in(space *paging.Space, look func(va paging.Virt, page []byte) promise) {
	in := space.Mode().Arch.Kernel
	page := make([]byte, pageSize)
	hits := 0 // pages that may be what is sought
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
		return perhaps // what could not be read may be so the next time
	}
	return p
}
