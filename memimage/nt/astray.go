package nt

import (
	"cmp"
	"errors"
	"slices"

	"memlens/memimage/paging"
)

// Astray are page directories that lead to no kernel, and may do so because memory is laid out otherwise: where a file
// leaves out the hole that machines have below 4 GiB, all that lies above it is not where the page tables say.
type Astray struct {
	Roots []paging.Phys // physical addresses of the page directories, the likeliest first
	To    paging.Phys   // an address above 4 GiB to which a page directory leads; 0: not known
	// Behind is an address behind the end of memory: the first one found on a page directory's way to the page that
	// Windows shares with its programs. 0: there is none.
	Behind paging.Phys
}

const (
	// maxStrays bounds the page directories that are remembered for their looks alone.
	maxStrays = 32
	// astrayWork bounds the pages that are looked at to see where a page directory leads.
	astrayWork = 1 << 18
	fourGiB    = 1 << 32
	// smallestDivided is the least size in bytes of memory with a part above 4 GiB.
	smallestDivided = 2 << 30
)

// isStray reports whether a page directory that does not map the shared page may do so in another layout of memory.
// Such a page directory maps itself, which hardly any page does by chance, or the container names it.
func (f *finder) isStray(w window) bool {
	return f.mem.Size() >= smallestDivided && w.shared == nil && mayBeDivided(w.mode)
}

// mayBeDivided reports whether page directories of a mode have known looks and can lead above 4 GiB. A page directory
// that may be of several modes counts in the usual mode.
func mayBeDivided(m *paging.Mode) bool {
	return m.Arch.Supported && m.Root.SelfEnd > 0 && m.PhysBits > 32 && m == m.Arch.Modes()[0]
}

// whereTo fills in where a page directory that does not map the shared page leads to behind the end of memory.
func (f *finder) whereTo(w window) window {
	if at, _, _ := step(w.space, w.mode.Arch.Shared); w.mode.Arch.Supported && int64(at) >= f.mem.Size() {
		w.behind = at
	}
	return w
}

// addStray remembers a page directory that does not map the shared page. It counts the page directories that lead
// behind the end, and keeps a bounded number that may lead elsewhere in another layout.
func (f *finder) addStray(w window) {
	if w.behind > 0 {
		f.behind++
		f.firstTo = cmp.Or(f.firstTo, w.behind)
	}
	if f.isStray(w) && len(f.strays) < maxStrays {
		f.strays = append(f.strays, w)
	}
}

// astray collects the page directories that led to no kernel: first page directories that map the shared page and lead
// above 4 GiB, then page directories that do not map it.
func (f *finder) astray() Astray {
	a := Astray{Behind: f.firstTo}
	if f.mem.Size() < smallestDivided {
		return a
	}
	for _, w := range f.bare {
		if to, ok := leadsAbove(w); ok {
			a.To = cmp.Or(a.To, to)
			a.Roots = append(a.Roots, w.dtb)
		}
	}
	for _, w := range f.strays {
		if !slices.Contains(a.Roots, w.dtb) {
			a.To = cmp.Or(a.To, sharedAbove(w))
			a.Roots = append(a.Roots, w.dtb)
		}
	}
	return a
}

// leadsAbove walks the pages that a page directory maps in the kernel's half, first where the kernel can be, until a
// page lies above 4 GiB.
func leadsAbove(w window) (paging.Phys, bool) {
	left := astrayWork
	for _, r := range kernelHalf(w.mode) {
		for va := r.From; va >= r.From && va < r.To && left > 0; left-- {
			at, next, ok := step(w.space, va)
			if !ok {
				break
			}
			if at >= fourGiB {
				return at, true
			}
			va = next
		}
	}
	return 0, false
}

// sharedAbove returns where a page directory leads above 4 GiB on the way to the shared page; 0 when it does not.
func sharedAbove(w window) paging.Phys {
	at, _, _ := step(w.space, w.mode.Arch.Shared)
	if at >= fourGiB {
		return at
	}
	return 0
}

// step returns the physical address that va leads to, 0 for none, and the address behind the page or the gap with va.
func step(space *paging.Space, va paging.Virt) (at paging.Phys, next paging.Virt, ok bool) {
	page, err := space.Translate(va)
	var fault *paging.FaultError
	switch {
	case err == nil:
		return paging.Phys(page.Off), page.VA + paging.Virt(page.Size), true
	case !errors.As(err, &fault):
		return 0, 0, false
	case fault.State == paging.Unreadable:
		at = paging.Phys(fault.Off)
	}
	return at, va + paging.Virt(max(fault.Size, 1)), true
}

// kernelHalf returns the addresses to walk: the shared page, the range where the kernel is loaded, and the system's
// half.
func kernelHalf(m *paging.Mode) []paging.Range {
	const top = 2 << 20 // bytes at the end of the address space that are left out, so that addresses do not go round
	system := m.SystemPart()
	system.To &^= top - 1
	return []paging.Range{{From: m.Arch.Shared, To: m.Arch.Shared + pageSize}, m.Arch.Kernel, system}
}
