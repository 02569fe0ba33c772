package paging

// Bits is a bit field of a page-table entry. A Width of zero is a field that the kernel does not have.
type Bits struct{ Pos, Width uint }

// of extracts the field.
func (b Bits) of(entry uint64) uint64 { return entry >> b.Pos & b.mask() }

// all reports whether every bit of the field is set.
func (b Bits) all(entry uint64) bool { return b.Width > 0 && b.of(entry) == b.mask() }

func (b Bits) mask() uint64 { return 1<<b.Width - 1 }

// Soft is how a Windows kernel lays out an entry with a clear valid bit: _MMPTE_TRANSITION, _MMPTE_PROTOTYPE and
// _MMPTE_SOFTWARE of its symbols, as bit positions.
type Soft struct {
	Transition, Prototype Bits // one bit each
	PFN                   Bits // of a transition entry
	FileNumber            Bits // page file number
	FileOffset            Bits // offset in the page file in pages
	InStore               Bits // set where the offset is a key of the compressed store; kernels that have one
	Swizzle               Bits // clear where the bits of InvalidMask were set in the entry to hide it; kernels since 2018
	// InvalidMask are the high bits that the kernel sets in entries that are not valid, against speculative reads
	// (L1TF): MiState.Hardware.InvalidPteMask. Zero where it does not.
	InvalidMask uint64
	// MaskUnknown says that InvalidMask may be anything: then offsets in page files of entries with a clear Swizzle bit
	// are not known, nor whether there is such an offset.
	MaskUnknown bool
	// OffsetsUnknown says that no field of an entry for a page file is certain, not even its number.
	OffsetsUnknown bool
	// Proto returns the address of the prototype entry that an entry with the Prototype bit names, if the entry shows
	// it.
	Proto func(entry uint64) (Virt, bool)
}

// plain removes the bits that hide an entry. An entry without these bits, such as a page of zeros has, stays unchanged.
func (s *Soft) plain(entry uint64) uint64 {
	if s.Swizzle.Width > 0 && s.Swizzle.of(entry) == 0 {
		return entry &^ s.InvalidMask
	}
	return entry
}

// hidden reports whether an entry's offset in the page file is not known.
func (s *Soft) hidden(entry uint64) bool {
	return s.OffsetsUnknown || s.MaskUnknown && s.Swizzle.Width > 0 && s.Swizzle.of(entry) == 0
}

// kind is the meaning of an entry that is not valid.
type kind int

const (
	kindAbsent     kind = iota // zero: only the VAD knows
	kindTransition             // the frame still holds the page
	kindPrototype              // the page is behind a prototype entry
	kindLookup                 // the VAD knows where the prototype entry is
	kindPageFile
	kindDemandZero
)

// classify returns the kind of an entry without the valid bit. A prototype bit decides before the transition bit, as in
// the memory manager's fault path.
func (s *Soft) classify(entry uint64) kind {
	switch {
	case entry == 0:
		return kindAbsent
	case s.Prototype.of(entry) != 0 && s.FileOffset.all(entry):
		return kindLookup
	case s.Prototype.of(entry) != 0:
		return kindPrototype
	case s.Transition.of(entry) != 0:
		return kindTransition
	case s.FileOffset.of(s.plain(entry)) != 0:
		return kindPageFile
	default:
		return kindDemandZero
	}
}
