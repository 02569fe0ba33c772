package nt

import (
	"context"
	"fmt"
	"slices"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// Where nothing of the kernel's own leads to its processes, for its image is paged out or was tampered with, the System
// process can be found in physical memory, as far as its structure is laid out as in one of the profiles.

// outline is where the members lie by which System is told.
type outline struct {
	arch            profile.Arch
	dtb, pid, links profile.Offset
	name            profile.Field
}

// outlines returns those of all profiles, each once.
func (f *finder) outlines() map[profile.Arch][]outline {
	out := map[profile.Arch][]outline{}
	for p := range f.options.Profiles.All() {
		var l layout
		if p.Bind(&l) != nil || l.Dispatcher.Type != 0 {
			continue
		}
		o := outline{p.Arch(), l.EPROCESS.DTB, l.EPROCESS.PID, l.EPROCESS.Links, l.EPROCESS.Name}
		if !slices.Contains(out[o.arch], o) {
			out[o.arch] = append(out[o.arch], o)
		}
	}
	return out
}

// modesOf returns the paging modes of an architecture.
func modesOf(a profile.Arch) []*paging.Mode {
	return slices.DeleteFunc(paging.Modes(), func(m *paging.Mode) bool { return archOf(m) != a })
}

func archOf(m *paging.Mode) profile.Arch {
	if m.VirtBits == 32 {
		return profile.X86
	}
	return profile.X64
}

// systemHit is a place in physical memory where System's structure may begin, if it has the outline.
type systemHit struct {
	pa paging.Phys
	outline
}

// systemSearch is one search of physical memory for the System process, in every paging mode: the page directories that
// were found so far may have been taken for those of a mode that the system does not use.
type systemSearch struct {
	f        *finder
	outlines map[profile.Arch][]outline
}

// maxSystems is how many processes that look like System are followed.
const maxSystems = 8

// fallback searches memory for the System process, and tries the page directories again that led to no kernel.
func (f *finder) fallback(ctx context.Context) error {
	if f.options.HintsOnly {
		return nil
	}
	s := systemSearch{f: f, outlines: f.outlines()}
	var windows []window
	found := func(hits []systemHit) bool {
		for _, h := range hits {
			for _, mode := range modesOf(h.arch) {
				w, a, ok := s.follow(h, mode)
				if ok && !slices.ContainsFunc(f.found, func(b anchor) bool { return b.system == a.system }) {
					f.found, windows = append(f.found, a), append(windows, w)
				}
			}
		}
		return len(f.found) < maxSystems
	}
	if len(s.outlines) > 0 {
		if err := sweep(ctx, f.mem, 0, f.mem.Size(), s.look, found, f.options.Progress); err != nil {
			return err
		}
		f.searched = true
	}
	clear(f.seen)
	clear(f.unfits)
	for _, w := range windows {
		if f.try(w) {
			return nil
		}
	}
	return nil
}

// look returns the places in a chunk of memory where System's structure may begin: a dispatcher header of a process,
// the id 4, and a list entry in kernel space.
func (s *systemSearch) look(p []byte, pa paging.Phys) []systemHit {
	var out []systemHit
	for _, arch := range []profile.Arch{profile.X86, profile.X64} {
		step := int(2 * arch.PointerSize())
		for off := 0; off < len(p); off += step {
			if p[off]&0x7f != processObject {
				continue
			}
			for _, o := range s.outlines[arch] {
				if o.fits(p[off:]) {
					out = append(out, systemHit{pa + paging.Phys(off), o})
				}
			}
		}
	}
	return out
}

// processObject is the type in the dispatcher header of a process, which its structure begins with (DISPATCHER_HEADER).
const processObject = 3

// fits reports whether the structure of System may begin with b.
func (o *outline) fits(b []byte) bool {
	size := profile.Offset(o.arch.PointerSize())
	r := record{b, int(size)}
	return r.ptr(o.pid) == 4 && inKernelSpace(o.arch, r.ptr(o.links)) && inKernelSpace(o.arch, r.ptr(o.links+size))
}

// inKernelSpace reports whether va is in the kernel's half of an address space.
func inKernelSpace(a profile.Arch, va paging.Virt) bool {
	return (&Kernel{Mode: modesOf(a)[0]}).inKernelSpace(va)
}

// follow finds the address of a structure, from its neighbour in the list, and checks that the page tables that it names
// map it there in that mode, and that it is called System.
func (s *systemSearch) follow(h systemHit, mode *paging.Mode) (window, anchor, bool) {
	size := paging.Virt(h.arch.PointerSize())
	b := make([]byte, int(h.links)+2*int(size))
	if n, _ := s.f.cache.ReadAt(b, int64(h.pa)); n < len(b) {
		return window{}, anchor{}, false
	}
	r := record{b, int(size)}
	w, ok := s.f.open(candidate{mode, paging.Phys(r.ptr(h.dtb)) & paging.Phys(mode.RootMask), "the System process, found by a search of physical memory"})
	if !ok {
		return window{}, anchor{}, false
	}
	m := memory{w.space, int(size)}
	back, err := m.ptr(r.ptr(h.links) + size)
	va := back - paging.Virt(h.links)
	if err != nil {
		return window{}, anchor{}, false
	}
	page, err := w.space.Translate(va)
	if err != nil || paging.Phys(page.Off)+paging.Phys(va-page.VA) != h.pa {
		return window{}, anchor{}, false
	}
	whole, err := m.record(va, int(h.name.Offset)+maxName)
	if err != nil || whole.name(h.name) != "System" {
		return window{}, anchor{}, false
	}
	return w, anchor{system: va, how: fmt.Sprintf("a search of physical memory, which has it at %#x", uint64(h.pa))}, true
}
