package nt

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// Kernels since 2018 keep processors from reading ahead through entries that are not valid (L1TF): in those whose
// swizzle bit is clear they set high bits that no memory has, MmInvalidPteMask. Which ones depends on the processor.

// withMask returns the kernel with the mask of its entries: as a symbol says, or as all entries in transition show,
// whose frame numbers reach no higher than memory does.
func (k *Kernel) withMask() *Kernel {
	if k.soft.Swizzle.Width == 0 {
		return k
	}
	soft := *k.soft
	mask, how, ok := k.maskBySymbol()
	if !ok {
		mask, how, ok = k.maskByEntries()
	}
	soft.InvalidMask, soft.MaskUnknown = mask, !ok
	c := k.withSoft(&soft)
	if ok {
		c.found("entries of page tables that are not valid are hidden behind the bits %#x, as %s", mask, how)
	} else {
		c.found("which bits hide page table entries that are not valid is not known: %s; pages in page files are not read where it matters", how)
	}
	return c
}

// maskBits are the bits that a mask can have: those of physical addresses beyond the memory there is.
func (k *Kernel) maskBits() uint64 {
	const most = 52 // bits of a physical address
	return 1<<most - 1<<max(bits.Len64(uint64(max(k.mem.Size()-1, 0))), 32)
}

func (k *Kernel) maskBySymbol() (mask uint64, how string, ok bool) {
	for _, name := range []string{"MiInvalidPteMask", "KiInvalidPteMask"} {
		rva, there := k.Profile.Symbol(name)
		if !there || k.Base == 0 {
			continue
		}
		r, err := k.kernel.record(k.Base+paging.Virt(rva), 8)
		if v := r.u(0, 8); err == nil && v&^k.maskBits() == 0 {
			return v, name + " says", true
		}
	}
	return 0, "", false
}

// Limits on the entries that are asked for the mask.
const (
	maskTables  = 1 << 10 // page tables that are read
	maskEnough  = 1 << 10 // entries after which no more are
	maskLeast   = 4       // entries without which nothing is concluded
	maskPerTree = 1 << 6  // page tables of a process
)

// maskByEntries asks the entries in transition of the first processes' page tables. They must all agree.
func (k *Kernel) maskByEntries() (mask uint64, how string, ok bool) {
	s := maskSearch{k: k, tables: maskTables}
	for p, err := range k.Processes() {
		if err != nil || s.tables <= 0 || s.seen >= maskEnough || s.differ {
			break
		}
		s.left = maskPerTree
		s.walk(p.DTB, 0)
	}
	switch {
	case s.differ:
		return 0, "entries in transition differ in them", false
	case s.seen < maskLeast:
		return 0, "there are too few entries in transition to tell", false
	}
	return s.mask, "all entries in transition show", true
}

// maskSearch collects the high bits of entries in transition.
type maskSearch struct {
	k            *Kernel
	tables, left int // that may yet be read: of all, and of this process
	seen         int
	mask         uint64
	differ       bool
}

// walk reads the table at pa, which is of the mode's level, and those below it.
func (s *maskSearch) walk(pa paging.Phys, level int) {
	levels := s.k.Mode.Levels
	entries := make([]byte, s.k.Mode.EntrySize<<levels[level].Bits)
	if n, _ := s.k.cache.ReadAt(entries, int64(pa)); n < len(entries) {
		return
	}
	s.tables--
	s.left--
	last := level == len(levels)-1
	for ; len(entries) >= 8 && s.left > 0 && s.seen < maskEnough; entries = entries[8:] {
		e := binary.LittleEndian.Uint64(entries)
		const valid, large = 1, 1 << 7
		switch {
		case last:
			s.entry(e)
		case e&valid != 0 && e&large == 0:
			s.walk(paging.Phys(e&(1<<s.k.Mode.PhysBits-1)&^(pageSize-1)), level+1)
		}
	}
}

// entry takes an entry in transition whose swizzle bit is clear.
func (s *maskSearch) entry(e uint64) {
	soft := s.k.soft
	is := func(b paging.Bits) bool { return e>>b.Pos&1 != 0 }
	if e&1 != 0 || !is(soft.Transition) || is(soft.Prototype) || is(soft.Swizzle) {
		return
	}
	high := e & s.k.maskBits()
	s.differ = s.differ || s.seen > 0 && high != s.mask
	s.mask = high
	s.seen++
}

// doubtOffsets returns the kernel as it is if all that its entries say of page files is certain: when its profile was
// chosen by its identity, or the nearest profiles on both sides of it agree.
func (k *Kernel) doubtOffsets(candidates []*profile.Profile) *Kernel {
	older, newer := bracket(candidates, k.Version)
	if k.Exact || older == nil || newer == nil {
		return k
	}
	a, okA := softFormat(older, k.Mode, k.mem.Size(), nil)
	b, okB := softFormat(newer, k.Mode, k.mem.Size(), nil)
	if !okA || !okB || a.FileNumber == b.FileNumber && a.FileOffset == b.FileOffset && a.InStore == b.InStore && a.Swizzle == b.Swizzle {
		return k
	}
	soft := *k.soft
	soft.OffsetsUnknown = true
	c := k.withSoft(&soft)
	c.found("pages in page files are not read: their entries differ between the profiles %s and %s, and which this kernel is like is not known", older.Name(), newer.Name())
	return c
}

// bracket returns the newest of the profiles that is not newer than v, and the oldest that is; within a build whose
// revision is not known, its oldest and newest. Either may be nil, and so they are when one is of the very kernel.
func bracket(candidates []*profile.Profile, v profile.Version) (older, newer *profile.Profile) {
	byVersion := slices.SortedStableFunc(slices.Values(candidates), func(a, b *profile.Profile) int { return a.Version().Compare(b.Version()) })
	if v.Revision == 0 {
		same := slices.DeleteFunc(slices.Clone(byVersion), func(p *profile.Profile) bool { return p.Version().Build != v.Build })
		if len(same) > 0 {
			return same[0], same[len(same)-1]
		}
	}
	for _, p := range byVersion {
		switch c := p.Version().Compare(v); {
		case c == 0:
			return nil, nil
		case c < 0:
			older = p
		default:
			return older, p
		}
	}
	return older, nil
}

// withSoft returns the kernel with another format of entries.
func (k *Kernel) withSoft(soft *paging.Soft) *Kernel {
	c := *k
	c.Found = append([]string(nil), k.Found...)
	c.soft = soft
	c.Space = paging.NewSpace(k.Mode, k.cache, k.Space.Root(), soft)
	c.kernel.space = c.Space
	return &c
}
