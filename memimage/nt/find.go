package nt

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
)

// Hints are what a container says of the system; each is verified. Zero values are not known.
type Hints struct {
	DTBs                []paging.Phys // CR3 of processors, the kernel's own first
	KDBG                paging.Virt
	PsActiveProcessHead paging.Virt
	Build               uint32
}

// Options say how to find a kernel.
type Options struct {
	Profiles *profile.Set     // to choose from
	Force    *profile.Profile // not nil: this one, whatever the kernel
	// Symbols is asked for the exact profile of a kernel that Profiles lack; may be nil.
	Symbols  func(profile.Identity) (*profile.Profile, error)
	Hints    Hints
	Progress func(done, total int64) // of long searches, in bytes of physical memory; may be nil
}

// NotFoundError says that no Windows kernel was found and what was tried.
type NotFoundError struct {
	Tried []string // sentences
}

func (e *NotFoundError) Error() string {
	return "nt: no Windows kernel found: " + strings.Join(e.Tried, "; ")
}

// ProfileError says that a kernel was found that no profile fits.
type ProfileError struct {
	Identity profile.Identity
	Version  profile.Version
	Tried    []string // sentences
}

func (e *ProfileError) Error() string {
	s := fmt.Sprintf("nt: no profile fits this kernel, Windows %d.%d build %d", e.Version.Major, e.Version.Minor, e.Version.Build)
	if e.Identity.PDB != "" {
		s += fmt.Sprintf(" (%s, GUID %s, age %d)", e.Identity.PDB, e.Identity.GUID, e.Identity.Age)
	}
	return s + ": " + strings.Join(e.Tried, "; ")
}

// cachedPages is how much of physical memory is kept for page tables and kernel structures: 16 MiB.
const cachedPages = 4096

// Find finds the Windows kernel in physical memory: a directory table base that maps the page that all Windows share,
// then the kernel's executable, then the profile whose System process is one. It reads as little as it can: the hints
// first, then memory from its start on until a page directory holds good.
func Find(ctx context.Context, mem *sparse.Reader, o Options) (*Kernel, error) {
	f := &finder{mem: mem, cache: sparse.NewCache(mem, cachedPages), options: o, seen: map[candidate]bool{}}
	for _, c := range f.hinted() {
		if f.try(c) {
			return f.kernel, nil
		}
	}
	looked := f.sweep(ctx)
	switch {
	case f.kernel != nil:
		return f.kernel, nil
	case looked != nil && !errors.Is(looked, context.Canceled):
		return nil, fmt.Errorf("nt: searching physical memory: %w", looked)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case f.unfit != nil:
		return nil, f.unfit
	}
	return nil, &NotFoundError{f.tried()}
}

// finder is one search for a kernel.
type finder struct {
	mem     *sparse.Reader
	cache   *sparse.Cache
	options Options

	seen       map[candidate]bool
	candidates int           // page directories by their looks
	windows    int           // of them, those that map the shared page
	unfit      *ProfileError // of the first kernel that no profile fits
	lost       string        // what was missing in the first that maps the shared page, when there is no kernel image
	kernel     *Kernel
}

// hinted returns the candidates that the container names, in all modes, and the one in the processor start page.
func (f *finder) hinted() []candidate {
	var out []candidate
	for _, dtb := range f.options.Hints.DTBs {
		if dtb == 0 {
			continue
		}
		for _, m := range []*paging.Mode{paging.X64, paging.PAE, paging.X86, paging.X64LA57} {
			out = append(out, candidate{m, dtb & paging.Phys(m.RootMask), "the container's register CR3"})
		}
	}
	var page [pageSize]byte
	for pa := int64(pageSize); pa < 1<<20; pa += pageSize {
		if n, _ := f.cache.ReadAt(page[:], pa); n < pageSize {
			continue
		}
		if dtb, ok := lowStub(page[:]); ok {
			out = append(out, candidate{paging.X64, dtb, fmt.Sprintf("the processor start page at %#x", pa)},
				candidate{paging.X64LA57, dtb, fmt.Sprintf("the processor start page at %#x", pa)})
		}
	}
	return out
}

// sweep tries every page of memory that looks like a page directory.
func (f *finder) sweep(ctx context.Context) error {
	look := func(p []byte, pa paging.Phys) []candidate {
		var out []candidate
		for ; len(p) >= pageSize; p, pa = p[pageSize:], pa+pageSize {
			for _, shape := range shapes {
				out = shape(out, p[:pageSize], pa)
			}
		}
		return out
	}
	found := func(cs []candidate) bool {
		for _, c := range cs {
			if f.try(c) {
				return false
			}
		}
		return true
	}
	return sweep(ctx, f.mem, 0, f.mem.Size(), look, found, f.options.Progress)
}

// try follows a candidate to the kernel; it reports whether that was found.
func (f *finder) try(c candidate) bool {
	key := candidate{mode: c.mode, dtb: c.dtb}
	if f.seen[key] || len(f.seen) > maxCandidates {
		return false
	}
	f.seen[key] = true
	f.candidates++
	space := paging.NewSpace(c.mode, f.cache, c.dtb, nil)
	shared, ok := readSharedData(space)
	if !ok {
		return false
	}
	f.windows++
	k, err := f.identify(c, space, shared)
	var unfit *ProfileError
	switch {
	case err == nil:
		f.kernel = k
	case errors.As(err, &unfit) && f.unfit == nil:
		f.unfit = unfit
	case f.lost == "":
		f.lost = err.Error()
	}
	return f.kernel != nil
}

// maxCandidates bounds the page directories that are tried: no real memory has so many processes.
const maxCandidates = 1 << 17

func (f *finder) tried() []string {
	tried := []string{fmt.Sprintf("looked at %d MiB of physical memory for page directories (x86, PAE, x64 with 4 and 5 levels)", f.mem.Covered()>>20)}
	switch {
	case f.candidates == 0:
		tried = append(tried, "no page looks like one")
	case f.windows == 0:
		tried = append(tried, fmt.Sprintf("%d pages look like one, but none maps the page that every Windows shares with its programs (KUSER_SHARED_DATA)", f.candidates))
	default:
		tried = append(tried, fmt.Sprintf("%d pages map KUSER_SHARED_DATA, but no kernel is to be found from them: %s", f.windows, f.lost))
	}
	return tried
}
