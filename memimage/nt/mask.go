package nt

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"memlens/memimage/paging"
)

// Kernels since 2018 keep processors from reading ahead through entries that are not valid (L1TF): in those whose
// swizzle bit is clear they set high bits that no memory has, MiState.Hardware.InvalidPteMask. Which ones depends on the
// processor.

// withMask returns the kernel with the mask of its entries: as a symbol says, or as all entries in transition show,
// whose frame numbers reach no higher than memory does.
func (k *Kernel) withMask() *Kernel {
	if k.soft.Swizzle.Width == 0 {
		return k
	}
	soft := *k.soft
	mask, how, ok := k.maskByVariable()
	if !ok {
		mask, how, ok = k.maskByEntries()
	}
	soft.InvalidMask, soft.MaskUnknown = mask, !ok
	c := k.withSoft(&soft)
	switch {
	case ok && mask == 0:
		c.found("entries of page tables that are not valid are not hidden behind other bits: %s", how)
	case ok:
		c.found("entries of page tables that are not valid are hidden behind the bits %#x: %s", mask, how)
	default:
		c.found("which bits hide page table entries that are not valid is not known: %s; pages in page files are not read where it matters", how)
	}
	return c
}

// maskBits are the bits that a mask can have: those of physical addresses beyond the memory there is.
func (k *Kernel) maskBits() uint64 {
	const most = 52 // bits of a physical address
	return 1<<most - 1<<max(bits.Len64(uint64(max(k.mem.Size()-1, 0))), 32)
}

// maskByVariable reads the mask where symbols say it is. It is believed when no entry speaks against it.
func (k *Kernel) maskByVariable() (mask uint64, how string, ok bool) {
	at, by, there := k.variable("InvalidPteMask")
	if !there {
		return 0, "", false
	}
	r, err := k.kernel.record(at, 8)
	v := r.u(0, 8)
	if err != nil || v&^k.maskBits() != 0 {
		return 0, "", false
	}
	settled := func(s *maskSearch) bool { return s.settles(v) }
	if k.searchUntil(settled).refutes(v) {
		return 0, "", false
	}
	return v, fmt.Sprintf("InvalidPteMask has it, which is at %#x, as %s", uint64(at), by), true
}

// Limits on the entries that are asked for the mask.
const (
	maskTables  = 1 << 10 // page tables that are read
	maskEnough  = 1 << 10 // entries after which no more are
	maskLeast   = 4       // entries without which nothing is concluded
	maskPerTree = 1 << 6  // page tables of a process

	maskRefuting = 8 // entries which have bits in common that a mask of zero does not explain
)

// maskByEntries asks the entries in transition of the first processes' page tables. They must all agree, and hide behind
// no bits of the frames that valid entries have: of an image that was cut off, those are not all in it.
func (k *Kernel) maskByEntries() (mask uint64, how string, ok bool) {
	s := k.search()
	switch {
	case s.differ:
		return 0, "entries in transition differ in them", false
	case s.seen < maskLeast:
		return 0, "there are too few entries in transition to tell", false
	case s.mask != 0 && !s.hidden():
		return 0, "frames of valid entries have them, too", false
	}
	return s.mask, "all entries in transition show that", true
}

// search reads the page tables of the first processes.
func (k *Kernel) search() *maskSearch {
	return k.searchUntil(func(*maskSearch) bool { return false })
}

// searchUntil reads the page tables of the first processes, until the entries seen so far settle what is asked of them.
func (k *Kernel) searchUntil(settled func(*maskSearch) bool) *maskSearch {
	s := &maskSearch{k: k, tables: maskTables, all: k.maskBits()}
	for p, err := range k.Processes() {
		if err != nil || s.tables <= 0 || s.seen >= maskEnough || s.differ || settled(s) {
			break
		}
		s.left = maskPerTree
		s.walk(p.DTB, 0)
	}
	return s
}

// maskSearch collects what entries of page tables show of their form.
type maskSearch struct {
	k                  *Kernel
	tables, left       int    // that may yet be read: of all, and of this process
	all                uint64 // the high bits that all entries with a clear swizzle bit have, whether in transition or of a page file
	hiding             int    // such entries
	seen               int    // entries in transition
	mask               uint64 // their high bits
	differ             bool
	reach              uint64 // all bits of the frames of valid entries of user mode
	protoOld, protoNew int    // entries that name prototype entries, with the protection where the old and the new form have it
}

// hidden reports whether the entries in transition hide behind bits that no frame has.
func (s *maskSearch) hidden() bool {
	return !s.differ && s.mask != 0 && bits.TrailingZeros64(s.mask) >= bits.Len64(s.reach)
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
		const user, cached = 1 << 2, 1<<2 | 1<<3 | 1<<4 | 1<<7 // of devices' memory some of the others are set
		switch frame := e & (1<<s.k.Mode.PhysBits - 1) &^ (pageSize - 1); {
		case last && e&valid != 0:
			if e&cached == user {
				s.reach |= frame
			}
		case last:
			s.hides(e)
			s.transition(e)
			s.prototype(e)
		case e&valid != 0 && e&large == 0:
			s.walk(paging.Phys(frame), level+1)
		}
	}
}

// Bits of entries that are not valid: the first two are the same in both forms.
const (
	bitPrototype  = 1 << 10
	bitTransition = 1 << 11
	bitSwizzle    = 1 << 4 // in the new form
)

// hides takes an entry whose offset or frame is hidden behind the mask: all have the bits of the mask.
func (s *maskSearch) hides(e uint64) {
	offset := s.k.soft.FileOffset.Width
	if e&(bitPrototype|bitSwizzle) != 0 || e&bitTransition == 0 && (offset == 0 || e>>s.k.soft.FileOffset.Pos&(1<<offset-1) == 0) {
		return
	}
	s.all &= e
	s.hiding++
}

// refutes reports whether entries speak against a mask: that its bits are not set in one, or that there are bits which all have
// and it has not.
func (s *maskSearch) refutes(mask uint64) bool {
	return s.hiding > 0 && s.all&mask != mask || s.hiding >= maskRefuting && mask == 0 && s.all != 0
}

// settles reports whether no more entries can change what is said of a mask: one that does not set a bit speaks against it for
// good, and where none is left that all have, nothing speaks against a mask of zero.
func (s *maskSearch) settles(mask uint64) bool {
	return s.hiding > 0 && (s.all&mask != mask || mask == 0 && s.all == 0)
}

// transition takes an entry in transition whose swizzle bit is clear.
func (s *maskSearch) transition(e uint64) {
	if e&bitTransition == 0 || e&(bitPrototype|bitSwizzle) != 0 {
		return
	}
	high := e & s.k.maskBits()
	s.differ = s.differ || s.seen > 0 && high != s.mask
	s.mask = high
	s.seen++
}

// prototype takes an entry that names a prototype entry and has a protection. The bits asked for are those that the
// other form has no use for: the old one has flags in bits 1 to 4, 8 and 9, the new one in bits 1 to 4 and 11.
func (s *maskSearch) prototype(e uint64) {
	const protectionNew, protectionOld = 7 << 5, 7 << 12
	if e&bitPrototype == 0 || s.k.soft.FileOffset.Width == 0 || e>>s.k.soft.FileOffset.Pos == 1<<s.k.soft.FileOffset.Width-1 {
		return
	}
	if va, ok := s.k.soft.Proto(e); !ok || !s.k.inKernelSpace(va) {
		return
	}
	switch isNew, isOld := e&protectionNew != 0, e&protectionOld != 0; {
	case isNew && !isOld:
		s.protoNew++
	case isOld && !isNew:
		s.protoOld++
	case isNew:
		s.protoNew++
		s.protoOld++
	}
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
