package nt

import (
	"iter"
	"slices"
	"strings"

	"memlens/memimage/minidump"
	"memlens/memimage/paging"
)

// dumpedRegions are the stretches of a dumped process's addresses. They stand for address descriptors.
type dumpedRegions struct {
	dump     *minidump.Dump
	regions  []Region // by address
	program  *minidump.Module
	byBase   map[paging.Virt]*minidump.Module
	starting []paging.Virt // starts of the ranges of memory, where the dump has no regions
}

func newDumpedRegions(d *minidump.Dump) *dumpedRegions {
	out := &dumpedRegions{dump: d, byBase: map[paging.Virt]*minidump.Module{}}
	for i := range d.Modules {
		m := &d.Modules[i]
		if _, twice := out.byBase[paging.Virt(m.Base)]; !twice {
			out.byBase[paging.Virt(m.Base)] = m
		}
	}
	if len(d.Modules) > 0 && !strings.HasSuffix(strings.ToLower(d.Modules[0].Path), ".dll") { // some tools list a few libraries alone
		out.program = &d.Modules[0]
	}
	if d.HasInfos {
		out.fromInfos()
	} else {
		out.fromRanges()
	}
	return out
}

// chooseProgram takes the module at a base for the program, if the dump's list has one there.
func (r *dumpedRegions) chooseProgram(base paging.Virt) {
	if m, ok := r.byBase[base]; ok {
		r.program = m
	}
}

// fromInfos makes a region of the neighbours that belong to one allocation or mapping, as a descriptor covers all of
// it.
func (r *dumpedRegions) fromInfos() {
	for i := range r.dump.Infos {
		m := &r.dump.Infos[i]
		if m.State == minidump.Free {
			continue
		}
		last := len(r.regions) - 1
		if last < 0 || m.Allocation != r.dump.Infos[i-1].Allocation || uint64(r.regions[last].End) != m.Base {
			r.regions = append(r.regions, Region{VAD: VAD{
				Start: paging.Virt(m.Base), Private: m.Type == minidump.Private, Image: m.Type == minidump.Image, Protection: protectionOf(m.Asked),
				Unknown: m.Type == 0, // the writer of the dump did not know
			}})
			last++
		}
		region := &r.regions[last]
		region.End = paging.Virt(m.End())
		if protectionOf(m.Protect).Executable() && m.State == minidump.Commit && !region.Protection.Executable() {
			region.Executed += int64((m.Size + pageSize - 1) / pageSize)
		}
	}
}

// fromRanges makes a region of each run of pages with bytes in the dump. The kind of memory is not known.
func (r *dumpedRegions) fromRanges() {
	for _, e := range r.dump.Named.Extents() {
		start, end := paging.Virt(e.Off)&^(pageSize-1), (paging.Virt(e.End())+pageSize-1)&^(pageSize-1)
		if start == paging.Virt(e.Off) {
			r.starting = append(r.starting, start)
		}
		if last := len(r.regions) - 1; last >= 0 && start <= r.regions[last].End {
			r.regions[last].End = max(r.regions[last].End, end)
			continue
		}
		r.regions = append(r.regions, Region{VAD: VAD{Start: start, End: end, Unknown: true, Protection: NoProtection}})
	}
}

// find returns the range of addresses around va, with its region or without one.
func (r *dumpedRegions) find(va paging.Virt) vadRange {
	i, there := slices.BinarySearchFunc(r.regions, va, func(r Region, va paging.Virt) int {
		switch {
		case r.End <= va:
			return -1
		case r.Start > va:
			return 1
		}
		return 0
	})
	if there {
		return vadRange{r.regions[i].Start, r.regions[i].End, r.regions[i].VAD, true}
	}
	out := vadRange{high: ^paging.Virt(0)}
	if i > 0 {
		out.low = r.regions[i-1].End
	}
	if i < len(r.regions) {
		out.high = r.regions[i].Start
	}
	return out
}

// each yields the regions as descriptors, in the order of addresses.
func (r *dumpedRegions) each() iter.Seq2[VAD, error] {
	return func(yield func(VAD, error) bool) {
		for i := range r.regions {
			if !yield(r.regions[i].VAD, nil) {
				return
			}
		}
	}
}

// protectionOf translates a protection of the Windows interface (PAGE_*) to the memory manager's.
func protectionOf(page uint32) Protection {
	const guard, noCache, writeCombine = 0x100, 0x200, 0x400
	what, ok := map[uint32]Protection{0x01: 0, 0x02: 1, 0x10: 2, 0x20: 3, 0x04: 4, 0x08: 5, 0x40: 6, 0x80: 7}[page&0xff]
	switch {
	case !ok:
		return NoProtection
	case what == protectionNoAll:
		return what
	case page&noCache != 0:
		return what | 1<<3
	case page&guard != 0:
		return what | 2<<3
	case page&writeCombine != 0:
		return what | 3<<3
	}
	return what
}
