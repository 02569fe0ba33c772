package nt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/reason"
	"memlens/memimage/sparse"
)

// Hints are the container's data on the system; each is verified. Zero values are not known.
type Hints struct {
	DTBs                []paging.Phys // CR3 of processors, the kernel's own first
	From                string        // where these come from; empty: the container's register CR3
	KDBG                paging.Virt
	PsActiveProcessHead paging.Virt
	Build               uint32
}

// Options say how to find a kernel.
type Options struct {
	Profiles *profile.Set     // to choose from
	Force    *profile.Profile // not nil: this one, whatever the kernel
	// Symbols returns the exact profile of a kernel of an identity and version; may be nil.
	Symbols func(profile.Identity, profile.Version) (*profile.Profile, error)
	Hints   Hints
	// HintsOnly says that memory is not searched where the hints lead to nothing.
	HintsOnly bool
	// Within bounds the addresses at which page directories are searched for, in bytes; 0: all of memory.
	Within int64
	// Lost is called with the page directories that lead to no kernel, before memory is searched once more for the
	// System process; true ends the search. May be nil.
	Lost func(Astray) bool
	// Progress is called during the searches of all memory: with the name of the search, and the bytes of physical
	// memory searched and in total. May be nil.
	Progress func(what string, done, total int64)
	// Faults counts the reads of mem that failed; may be nil.
	Faults *sparse.Faults
}

// NotFoundError says that no Windows kernel was found and what was tried.
type NotFoundError struct {
	Tried []string // sentences
	Astray
}

func (e *NotFoundError) Error() string {
	return "nt: no Windows kernel found: " + strings.Join(e.Tried, "; ")
}

// ReasonCode implements [reason.Coded].
func (e *NotFoundError) ReasonCode() reason.Code { return reason.NoWindows }

// ProfileError says that a kernel was found and that no profile fits it.
type ProfileError struct {
	Identity profile.Identity
	Version  profile.Version
	Tried    []string // sentences
	Astray
}

func (e *ProfileError) Error() string {
	s := fmt.Sprintf("nt: no profile fits this kernel, Windows %d.%d build %d", e.Version.Major, e.Version.Minor, e.Version.Build)
	if e.Identity.PDB != "" {
		s += fmt.Sprintf(" (%s, GUID %s, age %d)", e.Identity.PDB, e.Identity.GUID, e.Identity.Age)
	}
	return s + ": " + strings.Join(e.Tried, "; ")
}

// ReasonCode implements [reason.Coded].
func (e *ProfileError) ReasonCode() reason.Code { return reason.NoProfile }

// cachedPages is how much of physical memory is kept for page tables and kernel structures: 8 MiB.
const cachedPages = 2048

// Find finds the Windows kernel in physical memory: a directory table base that maps the page that all Windows share,
// then the kernel's executable, then a profile that leads to its System process. It reads as little as it can: the
// hints first, then memory from its start on until a page directory leads to the kernel.
func Find(ctx context.Context, mem *sparse.Reader, o Options) (*Kernel, error) {
	return newFinder(mem, o).find(ctx)
}

func newFinder(mem *sparse.Reader, o Options) *finder {
	work := work{left: maxWork}
	if o.HintsOnly {
		work.left /= 8
	}
	f := &finder{mem: mem, cache: sparse.NewCache(mem, cachedPages), options: o, work: work,
		seen: map[candidate]bool{}, unfits: map[paging.Phys]int{}}
	f.executables, f.blocks = newHunt(&f.work), newHunt(&f.work)
	return f
}

// find searches, and makes sure that the result does not depend on a read that failed. Where reads failed on the way,
// perhaps of memory that does not matter, it identifies the kernel once more. Processes that cannot be read are left
// out, and Found says so; of the kernel itself all must be read.
func (f *finder) find(ctx context.Context) (*Kernel, error) {
	before := f.options.Faults.Count()
	k, err := f.search(ctx)
	if err != nil || f.options.Faults.Count() == before {
		return k, err
	}
	before, f.unheard = f.options.Faults.Count(), 0
	k, err = f.identify(f.won.candidate, f.won.space, f.won.shared)
	switch failed := f.options.Faults.Count() - before; {
	case failed != f.unheard:
		return nil, fmt.Errorf("nt: a Windows kernel was found, but its structures cannot all be read: %w", f.options.Faults.Last())
	case err == nil && failed > 0:
		k.found("%d reads of processes failed, which were asked what the kernel is like: they count for nothing (the last: %v)", failed, f.options.Faults.Last())
	}
	return k, err
}

// hear calls a function that looks at processes to learn about the kernel. Reads that fail in it decide nothing.
func (f *finder) hear(witnesses func()) {
	before := f.options.Faults.Count()
	witnesses()
	f.unheard += f.options.Faults.Count() - before
}

// search is the search itself.
func (f *finder) search(ctx context.Context) (*Kernel, error) {
	if f.tryNamed() {
		return f.kernel, nil
	}
	var looked error
	if !f.options.HintsOnly {
		looked = f.sweep(ctx)
	}
	if f.kernel == nil && f.foreign != nil && f.unfit == nil && ctx.Err() == nil {
		return nil, f.foreign
	}
	lost := looked == nil && f.kernel == nil && ctx.Err() == nil
	if lost && (f.options.Lost == nil || !f.options.Lost(f.astray())) {
		if looked = f.fallback(ctx); looked == nil && f.kernel == nil {
			f.tryOdd()
		}
	}
	switch {
	case f.kernel != nil:
		return f.kernel, nil
	case looked != nil && !errors.Is(looked, context.Canceled):
		return nil, fmt.Errorf("nt: searching physical memory: %w", looked)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case f.unfit != nil:
		f.unfit.Astray = f.astray()
		return nil, f.unfit
	}
	return nil, &NotFoundError{f.tried(), f.astray()}
}

// tryNamed tries the page directories that the container or the processor start page names, and remembers the page
// directories that do not map the shared page in any mode.
func (f *finder) tryNamed() bool {
	f.named = f.hinted()
	mapped := map[paging.Phys]bool{}
	for _, c := range f.named {
		w, ok := f.open(c)
		if !ok {
			f.addStray(f.whereTo(w))
			continue
		}
		mapped[c.dtb] = true
		if f.addForeign(w) {
			continue
		}
		if f.try(w) {
			return true
		}
	}
	f.candidates.Store(0) // the following candidates are found by their looks
	f.named = slices.DeleteFunc(f.named, func(c candidate) bool { return mapped[c.dtb] })
	return false
}

// finder is one search for a kernel.
type finder struct {
	mem     *sparse.Reader
	cache   *sparse.Cache
	options Options
	work    work

	thorough bool // all profiles are tried with a kernel, also where one of its build is proved
	proved   bool // the profile was chosen among the profiles of the kernel's build alone

	executables, blocks *hunt // for the kernel's executable, and for its debugger data block

	candidates     atomic.Int64        // page directories by their looks
	displacedTried atomic.Int64        // root tables of a memory that begins elsewhere
	named          []candidate         // page directories that the container or the processor start page names
	windows        int                 // page directories that map the shared page
	seen           map[candidate]bool  // page directories that were tried
	unfits         map[paging.Phys]int // how many kernels no profile fits, by their shared page
	unfit          *ProfileError       // for the first such kernel
	bare           []window            // the first page directories that map the shared page and led to no kernel
	strays         []window            // page directories that map themselves, and not the shared page
	behind         int                 // page directories that lead behind the end of memory on the way to the shared page
	firstTo        paging.Phys         // where the first such page directory leads
	searched       bool                // memory was searched for the System process
	found          []anchor            // by that search
	lenient        bool                // the System process may be odd
	gaveUp         bool                // the work was used up before that search
	lost           string              // why the first page directory that maps the shared page led to no kernel
	foreign        *ArchError          // a Windows for processors that are only named
	kernel         *Kernel
	won            window // the page directory that led to the kernel
	unheard        int64  // reads that failed while witnesses were asked
}

// work bounds a search, in units of about the work of looking at one page: an image may be made to keep it busy.
type work struct{ left int64 }

// spend takes n units; false when they are used up.
func (w *work) spend(n int64) bool {
	w.left -= n
	return w.left >= 0
}

// The most that a search may take, and the costs of its parts. A normal memory takes some hundred thousand units,
// nearly all for its one kernel.
const (
	maxWork    = 1 << 25 // some ten seconds
	windowWork = 1 << 8  // of a page directory that maps the shared page, beside the pages it maps
	kernelWork = 1 << 16 // of a kernel: its exports, all profiles
	// maxUnfits is how many page directories of one system are tried for a kernel with a fitting profile: the tables of
	// an exited process may be damaged, but if the tables of several processes lead to no profile, there is none.
	maxUnfits = 4
)

// hinted returns the candidates that the container names, in all modes, and the candidate in the processor start page.
func (f *finder) hinted() []candidate {
	var out []candidate
	for _, dtb := range f.options.Hints.DTBs {
		if dtb == 0 {
			continue
		}
		for _, m := range paging.Modes() {
			from := "the container's register " + strings.Join(m.Arch.Roots, " or ")
			out = append(out, candidate{m, dtb & paging.Phys(m.RootMask), cmp.Or(f.options.Hints.From, from)})
		}
	}
	var page [pageSize]byte
	for pa := int64(pageSize); pa < 1<<20; pa += pageSize {
		if n, _ := f.cache.ReadAt(page[:], pa); n < pageSize {
			continue
		}
		if dtb, ok := lowStub(page[:]); ok {
			for _, m := range paging.ArchX64.Modes() {
				out = append(out, candidate{m, dtb, fmt.Sprintf("the processor start page at %#x", pa)})
			}
		}
	}
	return out
}

// sweep tries every page of memory that looks like a page directory and maps the shared page.
func (f *finder) sweep(ctx context.Context) error {
	shapes := shapes()
	others := slices.DeleteFunc(paging.Modes(), func(m *paging.Mode) bool { return m.Arch.Supported })
	look := func(p []byte, pa paging.Phys) []window {
		var out []window
		var found []candidate
		for ; len(p) >= pageSize; p, pa = p[pageSize:], pa+pageSize {
			found = found[:0]
			for _, shape := range shapes {
				found = shape(found, p[:pageSize], pa)
			}
			for _, m := range others {
				out = f.displaced(out, m, p[:pageSize], pa)
			}
			for _, c := range found {
				w, ok := f.open(c)
				if !ok {
					w = f.whereTo(w)
				}
				if ok || f.isStray(w) || w.behind > 0 {
					out = append(out, w)
				}
			}
		}
		return out
	}
	found := func(ws []window) bool {
		for _, w := range ws {
			if w.shared == nil {
				f.addStray(w)
				continue
			}
			if f.addForeign(w) {
				continue
			}
			if f.try(w) || f.work.left <= 0 {
				return false
			}
		}
		return true
	}
	return sweep(ctx, f.mem, stretch{0, f.sweepEnd(), tableChunk}, look, found, f.progress("searching for the kernel"))
}

// progress returns the function that reports one search of all memory; nil when there is nobody to report to.
func (f *finder) progress(what string) func(done, total int64) {
	if f.options.Progress == nil {
		return nil
	}
	return func(done, total int64) { f.options.Progress(what, done, total) }
}

// sweepEnd returns where the search for page directories ends.
func (f *finder) sweepEnd() int64 {
	if w := f.options.Within; w > 0 {
		return min(w, f.mem.Size())
	}
	return f.mem.Size()
}

// window is a page directory that maps the page that Windows shares with every program.
type window struct {
	candidate
	space  *paging.Space
	shared *sharedData
	behind paging.Phys // an address behind the end of memory, on the way to that page; 0: none
}

// open checks whether a candidate maps the shared page. It may be called from several goroutines at once.
func (f *finder) open(c candidate) (window, bool) {
	f.candidates.Add(1)
	space := paging.NewSpace(c.mode, f.cache, c.dtb, nil)
	shared, ok := readSharedData(space)
	return window{candidate: c, space: space, shared: shared}, ok
}

// try follows a page directory to the kernel; it reports whether the kernel was found.
func (f *finder) try(w window) bool {
	key := candidate{mode: w.mode, dtb: w.dtb}
	if f.seen[key] || f.unfits[w.shared.PA] >= maxUnfits || !f.work.spend(windowWork) {
		return false
	}
	f.seen[key] = true
	f.windows++
	k, err := f.identify(w.candidate, w.space, w.shared)
	var unfit *ProfileError
	var other *ArchError
	if err != nil && len(f.bare) < maxUnfits {
		f.bare = append(f.bare, w)
	}
	switch {
	case err == nil:
		f.kernel, f.won = k, w
	case errors.As(err, &unfit):
		f.unfits[w.shared.PA]++
		if f.unfit == nil {
			f.unfit = unfit
		}
	case errors.As(err, &other) && f.foreign == nil:
		f.foreign = other
	case f.lost == "":
		f.lost = err.Error()
	}
	return f.kernel != nil
}

// tried says in sentences which memory was searched, and with what result.
func (f *finder) tried() []string {
	tried := []string{fmt.Sprintf("looked at %d KiB of physical memory for page directories (x86, PAE, x64 with 4 and 5 levels, ARM64)", f.mem.Covered()>>10)}
	tried = append(tried, f.namedTried()...)
	n := f.candidates.Load()
	switch {
	case f.windows == 1:
		tried = append(tried, "1 maps the page that every Windows shares with its programs (KUSER_SHARED_DATA), but no kernel is to be found from it: "+f.lost)
	case f.windows > 1:
		tried = append(tried, fmt.Sprintf("%d map the page that every Windows shares with its programs (KUSER_SHARED_DATA), but no kernel is to be found from them: %s", f.windows, f.lost))
	case n == 0:
		tried = append(tried, "found no page that looks like one")
	default:
		tried = append(tried, fmt.Sprintf("found %d by their looks, but none maps the page that every Windows shares with its programs (KUSER_SHARED_DATA)", n))
	}
	if f.behind > 0 {
		tried = append(tried, fmt.Sprintf("page tables lead behind the end of memory on the way to it (%d times), first to physical address %#x", f.behind, uint64(f.firstTo)))
	}
	if f.searched && len(f.found) == 0 {
		tried = append(tried, "a search of physical memory found no System process laid out as in one of the profiles")
	}
	if f.gaveUp || f.work.left <= 0 {
		tried = append(tried, "gave up: page tables lead round in circles or map more than any kernel has; naming the directory table base helps")
	}
	return tried
}

// namedTried describes the pages at named page directories that lead to nothing, each page once.
func (f *finder) namedTried() []string {
	const most = 4
	var out []string
	seen := map[paging.Phys]bool{}
	for _, c := range f.named {
		if seen[c.dtb] || len(out) == most {
			continue
		}
		seen[c.dtb] = true
		what := "maps no page that Windows shares with its programs"
		var first [8]byte
		if _, err := f.mem.ReadAt(first[:], int64(c.dtb)); err != nil {
			what = "is not in the image"
		}
		out = append(out, fmt.Sprintf("the page directory at %#x, from %s, %s", uint64(c.dtb), c.how, what))
	}
	return out
}
