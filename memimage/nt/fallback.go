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
	kind, dtb, pid, links profile.Offset
	name                  profile.Field
}

// outlines returns those of all profiles of a mode's architecture, each once.
func (f *finder) outlines(mode *paging.Mode) []outline {
	var out []outline
	for p := range f.options.Profiles.All() {
		var l layout
		if p.Arch() != archOf(mode) || p.Bind(&l) != nil {
			continue
		}
		o := outline{l.Dispatcher.Type, l.EPROCESS.DTB, l.EPROCESS.PID, l.EPROCESS.Links, l.EPROCESS.Name}
		if !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	return out
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

// systemSearch is one search of physical memory for the System process.
type systemSearch struct {
	f        *finder
	mode     *paging.Mode
	pointer  int
	outlines []outline
}

// maxSystems is how many processes that look like System are followed.
const maxSystems = 8

// fallback searches memory for the System process, and tries the page directories again that led to no kernel.
func (f *finder) fallback(ctx context.Context) error {
	if f.options.HintsOnly || len(f.bare) == 0 || f.options.Force != nil && f.unfit != nil {
		return nil
	}
	mode := f.bare[0].mode
	s := systemSearch{f: f, mode: mode, pointer: int(archOf(mode).PointerSize()), outlines: f.outlines(mode)}
	var windows []window
	found := func(hits []systemHit) bool {
		for _, h := range hits {
			w, a, ok := s.follow(h)
			if ok && !slices.ContainsFunc(f.found, func(b anchor) bool { return b.system == a.system }) {
				f.found, windows = append(f.found, a), append(windows, w)
			}
		}
		return len(f.found) < maxSystems
	}
	if len(s.outlines) > 0 {
		if err := sweep(ctx, f.mem, 0, f.mem.Size(), s.look, found, f.options.Progress); err != nil {
			return err
		}
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
	const processObject = 3
	var out []systemHit
	r := record{p, s.pointer}
	for off := profile.Offset(0); int(off) < len(p); off += profile.Offset(2 * s.pointer) {
		for _, o := range s.outlines {
			if r.u8(off+o.kind)&0x7f != processObject || r.ptr(off+o.pid) != 4 {
				continue
			}
			if s.inKernelSpace(r.ptr(off+o.links)) && s.inKernelSpace(r.ptr(off+o.links+profile.Offset(s.pointer))) {
				out = append(out, systemHit{pa + paging.Phys(off), o})
			}
		}
	}
	return out
}

func (s *systemSearch) inKernelSpace(va paging.Virt) bool {
	return (&Kernel{Mode: s.mode}).inKernelSpace(va)
}

// follow finds the address of a structure, from its neighbour in the list, and checks that the page tables that it names
// map it there, and that it is called System.
func (s *systemSearch) follow(h systemHit) (window, anchor, bool) {
	b := make([]byte, int(h.links)+2*s.pointer)
	if n, _ := s.f.cache.ReadAt(b, int64(h.pa)); n < len(b) {
		return window{}, anchor{}, false
	}
	r := record{b, s.pointer}
	w, ok := s.f.open(candidate{s.mode, paging.Phys(r.ptr(h.dtb)) & paging.Phys(s.mode.RootMask), "the System process, found by a search of physical memory"})
	if !ok {
		return window{}, anchor{}, false
	}
	m := memory{w.space, s.pointer}
	back, err := m.ptr(r.ptr(h.links) + paging.Virt(s.pointer))
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
