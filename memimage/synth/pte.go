package synth

// Protections as software page-table entries hold them (MM_*).
const (
	protReadWrite     = 4
	protExecWriteCopy = 6 // the protection in the prototype PTEs of an image
)

// Bits of invalid page-table entries that are the same in every layout.
const (
	softProtShift  = 5
	softPrototype  = 1 << 10
	softTransition = 1 << 11
)

// softPTE encodes the page-table entries that the processor does not read
// (_MMPTE_TRANSITION, _MMPTE_PROTOTYPE, _MMPTE_SOFTWARE, _MMPTE_SUBSECTION).
type softPTE struct {
	l       layout
	paging  Paging
	own     bool   // the profile's _MMPTE structures are for this paging mode
	mask    uint64 // InvalidPteMask
	pool    uint64 // MmPagedPoolStart, MmSubsectionBase
	subBase uint64
}

func (b *builder) softPTE() softPTE {
	size, ok := b.l.SizeOf("_MMPTE")
	return softPTE{
		l: b.l, paging: b.Paging, own: ok && int(size) == b.mode.entry,
		mask: b.SwizzleMask, pool: b.regions.paged, subBase: b.regions.nonpaged,
	}
}

// place is the place of a field in an entry.
type place struct{ bit, width uint }

func (p place) put(v uint64) uint64 {
	if p.width < 64 {
		v &= 1<<p.width - 1
	}
	return v << p.bit
}

// field is the place of a member, from the profile if its structures fit.
func (s softPTE) field(structure, member string, fallback place) place {
	if s.own {
		if f, ok := s.l.Field(structure + "." + member); ok && f.Bits > 0 {
			return place{uint(f.BitPos), uint(f.Bits)}
		}
	}
	return fallback
}

// swizzle is the swizzle bit, 0 if the layout has none.
func (s softPTE) swizzle() uint64 {
	f, ok := s.l.Field("_MMPTE_SOFTWARE.SwizzleBit")
	if !s.own || !ok || f.Bits == 0 {
		return 0
	}
	return 1 << f.BitPos
}

// hide applies InvalidPteMask, as kernels with a guard against L1TF do (MiSwizzleInvalidPte): in an entry without any
// of the mask's bits, all are set; an entry with some of these bits gets the swizzle bit instead.
func (s softPTE) hide(e uint64) uint64 {
	bit := s.swizzle()
	switch {
	case bit == 0 || s.mask == 0:
		return e
	case e&s.mask != 0:
		return e | bit
	}
	return e | s.mask
}

// transition is the entry of a page in transition.
func (s softPTE) transition(pfn, prot uint64) uint64 {
	high := s.field("_MMPTE_TRANSITION", "PageFrameNumber", place{12, 36})
	return s.hide(high.put(pfn) | softTransition | prot<<softProtShift | pteWrite)
}

// pageFile is the entry of a page in page file number file at a page offset.
func (s softPTE) pageFile(file int, offset, prot uint64) uint64 {
	high := place{32, 32}
	if s.paging == X86 {
		high = place{12, 20}
	}
	low := s.field("_MMPTE_SOFTWARE", "PageFileLow", place{1, 4})
	high = s.field("_MMPTE_SOFTWARE", "PageFileHigh", high)
	e := low.put(uint64(file)) | high.put(offset) | prot<<softProtShift
	if s.mask == 0 {
		return e | s.swizzle()
	}
	return s.hide(e)
}

// demandZero is the entry of a page that is zero when touched.
func (s softPTE) demandZero(prot uint64) uint64 {
	return prot<<softProtShift | s.swizzle()
}

// lookupVAD is the address in a prototype PTE that says "see the VAD"
// (MI_PTE_LOOKUP_NEEDED).
const lookupVAD = 0xffffffff0000

// protoProtection are the protection bits of a prototype PTE, where the layout
// has them.
func (s softPTE) protoProtection() uint64 {
	if s.paging == X86 {
		return 0
	}
	return s.field("_MMPTE_PROTOTYPE", "Protection", place{11, 5}).put(protExecWriteCopy)
}

// prototype is the entry that points to the prototype PTE at va.
func (s softPTE) prototype(va uint64) uint64 {
	switch {
	case s.paging == X86 && s.l.build < 6000: // relative to the paged pool
		off := va - s.pool
		return off>>2&0x7f<<1 | off>>9<<11 | softPrototype
	case s.paging == X86: // kernel half implied
		return va>>2&0xff<<1 | va>>10&0x1fffff<<11 | softPrototype
	case s.paging == PAE:
		return s.hide(va<<32 | softPrototype | s.protoProtection())
	}
	return s.hide(va<<16 | softPrototype | s.protoProtection())
}

// lookup is the entry that says "see the VAD".
func (s softPTE) lookup() uint64 {
	switch s.paging {
	case X86:
		return 0xfffff000 | softPrototype | protExecWriteCopy<<softProtShift
	case PAE:
		return s.hide(0xffffffff<<32 | softPrototype | s.protoProtection())
	}
	return s.hide(lookupVAD<<16 | softPrototype | s.protoProtection())
}

// subsection is a prototype PTE for a page that must come from the file.
func (s softPTE) subsection(va uint64) uint64 {
	const prot = protExecWriteCopy << softProtShift
	switch {
	case s.paging == X86 && s.l.build < 6000: // relative to MmSubsectionBase
		off := va - s.subBase
		return 1<<31 | off>>3&0xf<<1 | off>>7&0xfffff<<11 | softPrototype | prot
	case s.paging == X86:
		return va>>3&0x1ff<<1 | va>>12<<11 | softPrototype
	case s.paging == PAE:
		return s.hide(va<<32 | softPrototype | prot)
	}
	return s.hide(va<<16 | softPrototype | prot)
}
