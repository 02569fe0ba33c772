package nt

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// Where the kernel's own structures do not lead to its processes, because its image is paged out or was tampered with,
// the System process can be found in physical memory, if its structure is laid out as in one of the profiles.

// outline holds the offsets of the members that identify System.
type outline struct {
	arch            *paging.Arch
	dtb, pid, links profile.Offset
	name            profile.Field
}

// outlines returns the outlines of all profiles, each once.
func (f *finder) outlines() map[*paging.Arch][]outline {
	out := map[*paging.Arch][]outline{}
	for p := range f.options.Profiles.All() {
		var l layout
		if a := archOf(p); a == nil || !a.Supported || p.Bind(&l) != nil || l.Dispatcher.Type != 0 {
			continue
		}
		o := outline{archOf(p), l.EPROCESS.DTB, l.EPROCESS.PID, l.EPROCESS.Links, l.EPROCESS.Name}
		if !slices.Contains(out[o.arch], o) {
			out[o.arch] = append(out[o.arch], o)
		}
	}
	return out
}

// archOf returns the architecture that a profile's kernels run on; nil where it is not known.
func archOf(p *profile.Profile) *paging.Arch {
	for _, a := range paging.Archs() {
		if profileArch(a) == p.Arch() {
			return a
		}
	}
	return nil
}

// profileArch returns the architecture in the words of profiles.
func profileArch(a *paging.Arch) profile.Arch {
	arch, _ := profile.ArchOf(a.Machine)
	return arch
}

// systemHit is a place in physical memory where System's structure may begin, if it has the outline.
type systemHit struct {
	pa paging.Phys
	outline
}

// systemSearch is one search of physical memory for the System process, in every paging mode: the page directories that
// were found so far may have been taken for page directories of a mode that the system does not use.
type systemSearch struct {
	f        *finder
	outlines map[*paging.Arch][]outline
	found    [2]systems
}

// maxSystems is how many processes that look like System are followed.
const maxSystems = 8

// fallback searches memory for the System process, and tries the page directories that led to no kernel again.
func (f *finder) fallback(ctx context.Context) error {
	if f.options.HintsOnly {
		return nil
	}
	s := systemSearch{f: f, outlines: f.outlines()}
	if len(s.outlines) > 0 {
		if err := sweep(ctx, f.mem, stretch{0, f.mem.Size(), sweepChunk}, s.look, s.consider, f.progress("searching for the System process")); err != nil {
			return err
		}
		f.searched = true
	}
	for _, found := range s.found { // by name first
		f.found = append(f.found, found.anchors...)
	}
	clear(f.seen)
	clear(f.unfits)
	for _, w := range slices.Concat(s.found[withName].windows, s.found[withoutName].windows) {
		if f.try(w) {
			return nil
		}
	}
	return nil
}

// systems are processes that look like System.
type systems struct {
	anchors []anchor
	windows []window // their page directories
}

// Indices for processes that look like System: with its name, and without.
const withName, withoutName = 0, 1

// consider adds the hits to which page tables lead. It returns false when there are enough.
func (s *systemSearch) consider(hits []systemHit) bool {
	for _, h := range hits {
		for _, mode := range h.arch.Modes() {
			if w, a, ok := s.follow(h, mode); ok {
				s.add(w, a)
			}
		}
	}
	return len(s.found[withName].anchors) < maxSystems
}

// add adds a process that looks like System, once.
func (s *systemSearch) add(w window, a anchor) {
	to := &s.found[withoutName]
	if a.named {
		to = &s.found[withName]
	}
	if len(to.anchors) < maxSystems && !slices.ContainsFunc(to.anchors, func(b anchor) bool { return b.system == a.system }) {
		to.anchors, to.windows = append(to.anchors, a), append(to.windows, w)
	}
}

// oddWork is the least amount of work that is granted for trying page directories once more.
const oddWork = maxWork / 16

// tryOdd tries the page directories that led to no kernel once more, and now accepts an odd System process.
func (f *finder) tryOdd() {
	if f.options.HintsOnly {
		return
	}
	strict, n := f.unfit, f.windows
	f.lenient, f.unfit, f.gaveUp = true, nil, f.work.left <= 0
	clear(f.seen)
	clear(f.unfits)
	f.work.left = max(f.work.left, oddWork)
	for _, w := range slices.Clone(f.bare) {
		if f.try(w) {
			return
		}
	}
	f.unfit, f.windows = cmp.Or(f.unfit, strict), n
}

// look returns the places in a chunk of memory where System's structure may begin: a dispatcher header of a process,
// the id 4 or the name, and a list entry in kernel space. The hits are sorted by architecture.
func (s *systemSearch) look(p []byte, pa paging.Phys) []systemHit {
	archs := paging.Archs()
	outlines, hits := make([][]outline, len(archs)), make([][]systemHit, len(archs))
	for i, arch := range archs {
		outlines[i] = s.outlines[arch]
	}
	for off := nextProcess(p, 0); off < len(p); off = nextProcess(p, off+processStep) {
		for i, arch := range archs {
			if off%(2*arch.Pointer) == 0 {
				hits[i] = appendFits(hits[i], outlines[i], p[off:], pa+paging.Phys(off))
			}
		}
	}
	return slices.Concat(hits...)
}

func appendFits(out []systemHit, outlines []outline, b []byte, pa paging.Phys) []systemHit {
	for i := range outlines {
		if outlines[i].fits(b) {
			out = append(out, systemHit{pa, outlines[i]})
		}
	}
	return out
}

const (
	// processObject is the type in the dispatcher header of a process, which its structure begins with (DISPATCHER_HEADER).
	processObject = 3
	// processStep is how many bytes lie at least between two structures: two pointers of x86, as blocks of pool are aligned.
	processStep = 8
)

// nextProcess returns the first place from off on, in steps, that has the type of a process; the end or behind it when none
// has. All of memory is looked at, by fours.
func nextProcess(p []byte, off int) int {
	for ; len(p)-off >= 4*processStep; off += 4 * processStep {
		four := (*[4 * processStep]byte)(p[off:])
		if four[0]&0x7f == processObject || four[processStep]&0x7f == processObject || four[2*processStep]&0x7f == processObject || four[3*processStep]&0x7f == processObject {
			break
		}
	}
	for off < len(p) && p[off]&0x7f != processObject {
		off += processStep
	}
	return off
}

// fits reports whether the structure of System may begin with b. It allocates nothing: it is called for much data that
// is no process.
func (o *outline) fits(b []byte) bool {
	size := profile.Offset(o.arch.Pointer)
	r := record{b, int(size)}
	return (r.ptr(o.pid) == systemID || o.hasName(r)) && inKernelSpace(o.arch, r.ptr(o.links)) && inKernelSpace(o.arch, r.ptr(o.links+size))
}

// hasName reports whether a structure has System's name. Nearly all other data differs in its first letters.
func (o *outline) hasName(r record) bool {
	const name = "System"
	at := o.name.Offset
	return at >= 0 && at+int64(len(name)) <= int64(len(r.b)) && string(r.b[at:at+int64(len(name))]) == name && string(r.rawName(o.name)) == name
}

// inKernelSpace reports whether va is in the system's part of an address space, in one of the modes of an architecture.
func inKernelSpace(a *paging.Arch, va paging.Virt) bool {
	return slices.ContainsFunc(a.Modes(), func(m *paging.Mode) bool { return m.IsSystem(va) })
}

// follow finds the address of a structure, from one of its neighbours in the list. It checks that page tables map the
// structure there in that mode: the page tables that it names, or else a page directory that led to no kernel so far.
func (s *systemSearch) follow(h systemHit, mode *paging.Mode) (window, anchor, bool) {
	size := paging.Virt(h.arch.Pointer)
	b := make([]byte, int(h.links)+2*int(size))
	if n, _ := s.f.cache.ReadAt(b, int64(h.pa)); n < len(b) {
		return window{}, anchor{}, false
	}
	r := record{b, int(size)}
	for w := range s.windows(paging.Phys(r.ptr(h.dtb)), mode) {
		m := memory{w.space, int(size)}
		back, err1 := m.ptr(r.ptr(h.links) + size)
		forth, err2 := m.ptr(r.ptr(h.links + profile.Offset(size)))
		for _, entry := range []struct {
			va  paging.Virt
			err error
		}{{back, err1}, {forth, err2}} {
			if va := entry.va - paging.Virt(h.links); entry.err == nil && h.isAt(va, m) {
				return w, anchor{system: va, how: fmt.Sprintf("a search of physical memory, which has it at %#x", uint64(h.pa)), named: h.isNamed(va, m)}, true
			}
		}
	}
	return window{}, anchor{}, false
}

// windows yields the page directories that may map a structure. The structure names dtb as its own.
func (s *systemSearch) windows(dtb paging.Phys, mode *paging.Mode) iter.Seq[window] {
	return func(yield func(window) bool) {
		w, ok := s.f.open(candidate{mode, dtb & paging.Phys(mode.RootMask), "the System process, found by a search of physical memory"})
		if !ok && s.f.windows == 0 && isSharedLost(w.space) {
			w.shared, ok = &sharedData{lost: true}, true // no page directory leads to the shared page
		}
		if ok && !yield(w) {
			return
		}
		for _, w := range s.f.bare {
			if w.mode == mode && !yield(w) {
				return
			}
		}
	}
}

// isAt reports whether the structure's address is va.
func (h *systemHit) isAt(va paging.Virt, m memory) bool {
	page, err := m.space.Translate(va)
	return err == nil && paging.Phys(page.Off)+paging.Phys(va-page.VA) == h.pa
}

// isNamed reports whether the structure at va has System's name.
func (h *systemHit) isNamed(va paging.Virt, m memory) bool {
	whole, err := m.record(va, int(h.name.Offset)+maxName)
	return err == nil && whole.name(h.name) == "System"
}
