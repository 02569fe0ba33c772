package nt

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"memlens/memimage/paging"
)

// Kernels since 2018 keep processors from reading ahead through entries that are not valid (L1TF). In entries with a
// clear swizzle bit they set high bits that no physical address uses, MiState.Hardware.InvalidPteMask. The bits depend
// on the processor.

// withMask returns the kernel with the mask of its entries: by a symbol, or by the entries in transition, if all agree.
// Their frame numbers are no higher than memory.
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

// maskBits are the bits that a mask can have: the bits of physical addresses beyond the end of memory.
func (k *Kernel) maskBits() uint64 {
	const most = 52 // bits of a physical address
	return 1<<most - 1<<max(bits.Len64(uint64(max(k.mem.Size()-1, 0))), 32)
}

// maskByVariable reads the mask at its address in the symbols. It is believed when no entry contradicts it.
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

// Limits on the entries that are read for the mask.
const (
	maskTables  = 1 << 10 // page tables that are read
	maskEnough  = 1 << 10 // entries after which no more are read
	maskLeast   = 4       // entries, with fewer of which nothing is concluded
	maskPerTree = 1 << 6  // page tables of a process

	maskRefuting = 8 // entries that have bits in common that a mask of zero does not explain
)

// maskByEntries reads the mask from the entries in transition of the first processes' page tables. They must all agree,
// and their mask must have no bit that frames in valid entries have: an image that was cut off lacks some of these
// frames.
func (k *Kernel) maskByEntries() (mask uint64, how string, ok bool) {
	s := k.search()
	switch {
	case s.differ:
		return 0, "entries in transition differ in them", false
	case s.seen < maskLeast:
		return 0, "there are too few entries in transition to show them", false
	case s.mask != 0 && !s.hidden():
		return 0, "frames of valid entries have them, too", false
	}
	return s.mask, "all entries in transition show that", true
}

// search reads the page tables of the first processes.
func (k *Kernel) search() *maskSearch {
	return k.searchUntil(func(*maskSearch) bool { return false })
}

// searchUntil reads the page tables of the first processes, until the entries so far settle the question.
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

// maskSearch collects the signs of the form in entries of page tables.
type maskSearch struct {
	k                  *Kernel
	tables, left       int    // tables that may still be read: of all, and of this process
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

// walk reads the table at pa, which is of the mode's level, and the tables below it.
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

// hides counts an entry that hides its offset or frame behind the mask: all such entries have the bits of the mask.
func (s *maskSearch) hides(e uint64) {
	offset := s.k.soft.FileOffset.Width
	if e&(bitPrototype|bitSwizzle) != 0 || e&bitTransition == 0 && (offset == 0 || e>>s.k.soft.FileOffset.Pos&(1<<offset-1) == 0) {
		return
	}
	s.all &= e
	s.hiding++
}

// refutes reports whether entries contradict a mask: a bit of the mask is clear in an entry, or all entries have a bit
// that the mask lacks.
func (s *maskSearch) refutes(mask uint64) bool {
	return s.hiding > 0 && s.all&mask != mask || s.hiding >= maskRefuting && mask == 0 && s.all != 0
}

// settles reports whether no more entries can change the answer for a mask. An entry without a bit of the mask refutes
// it for good. Where the entries have no bit in common, nothing contradicts a mask of zero.
func (s *maskSearch) settles(mask uint64) bool {
	return s.hiding > 0 && (s.all&mask != mask || mask == 0 && s.all == 0)
}

// transition counts an entry in transition with a clear swizzle bit.
func (s *maskSearch) transition(e uint64) {
	if e&bitTransition == 0 || e&(bitPrototype|bitSwizzle) != 0 {
		return
	}
	high := e & s.k.maskBits()
	s.differ = s.differ || s.seen > 0 && high != s.mask
	s.mask = high
	s.seen++
}

// prototype counts an entry that names a prototype entry and has a protection. It checks the bits that the other form
// does not use: the old form has flags in bits 1 to 4, 8 and 9, the new one in bits 1 to 4 and 11.
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
