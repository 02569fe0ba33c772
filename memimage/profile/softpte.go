package profile

// SoftPTE is the form of a page-table entry whose valid bit is clear: _MMPTE_SOFTWARE, _MMPTE_TRANSITION,
// _MMPTE_PROTOTYPE and _MMPTE_SUBSECTION. The first two bits to look at are Prototype and then Transition.
type SoftPTE struct {
	Size           int     // of an entry in bytes: 4 or 8
	Prototype      Bits    // set: a pointer to a prototype PTE, or, in a prototype PTE, to a subsection
	Transition     Bits    // set, and Prototype clear: the page is still at PFN
	PFN            Bits    // the page frame of an entry in transition
	Protection     Bits    // of entries other than prototypes: an index into MmProtectToValue
	PageFile       Bits    // number of the page file
	PageFileOffset Bits    // in pages; see Swizzle
	Swizzle        Bits    // Len 0: the kernel has no such bit. Clear: the bits of the kernel's invalid-PTE mask are set in the entry
	InStore        Bits    // Len 0: the kernel has no such bit. Set: the page file offset is a key of the compressed store
	Proto          Pointer // address of the prototype PTE
	ProtoProtect   Bits    // protection in a pointer to a prototype PTE; Len 0: it holds none
	Subsection     Pointer // address of the subsection
}

// Bits are Len bits from bit Pos of an entry; there are none if Len is 0.
type Bits struct{ Pos, Len uint8 }

// Of takes the bits from an entry.
func (b Bits) Of(entry uint64) uint64 { return entry >> b.Pos & (1<<b.Len - 1) }

// Pointer is how an entry holds a kernel address. 64-bit kernels keep 48 bits, which must be sign-extended; PAE
// kernels keep all 32. Other 32-bit kernels split the address in two around the prototype bit and leave out the
// lowest bits. Before Windows Vista they count from the start of a pool that only the kernel knows.
type Pointer struct {
	parts [2]struct { // or'ed
		Bits
		shift uint8
	}
	signed bool
	base   uint64
	up     string // the kernel variable to add the parts to
	down   string // the kernel variable to subtract them from if downIf is clear
	downIf Bits
}

// protoBase is the default MmPagedPoolStart of 32-bit kernels: the beginning of their paged pool.
const protoBase = 0xe1000000

// Address is the address that entry points to. The kernel variables it may depend on (MmPagedPoolStart,
// MmSubsectionBase, MmNonPagedPoolEnd) come from the function variable, which returns their values
// (_KDDEBUGGER_DATA64 has pointers to them). A nil variable knows none. MmPagedPoolStart has a default; the address
// is not ok if another that it needs is not known.
func (p Pointer) Address(entry uint64, variable func(name string) (uint64, bool)) (va uint64, ok bool) {
	va = p.parts[0].Of(entry)<<p.parts[0].shift | p.parts[1].Of(entry)<<p.parts[1].shift
	switch {
	case p.signed:
		return uint64(int64(va<<16) >> 16), true
	case p.up == "":
		return p.base | va, true
	case variable == nil:
		variable = func(string) (uint64, bool) { return 0, false }
	}
	if p.downIf.Len > 0 && p.downIf.Of(entry) == 0 {
		base, ok := variable(p.down)
		return uint64(uint32(base - va)), ok
	}
	base, ok := variable(p.up)
	if (!ok || base == 0) && p.base != 0 {
		base, ok = p.base, true
	}
	return uint64(uint32(base + va)), ok
}

// SoftPTE is the form of the kernel's software page-table entries of that many bytes. 32-bit kernels up to Windows 7
// come in two builds, with and without PAE, and the symbols of one build do not describe the entries of the other.
// Those are taken from Windows 7, whose PAE form has been the same since Windows XP. It is not ok if the profile
// lacks the structures, or has no entries of that size.
func (p *Profile) SoftPTE(entrySize int) (s SoftPTE, ok bool) {
	if size, ok := p.SizeOf("_MMPTE"); ok && size == int64(entrySize) {
		return p.softPTE(entrySize)
	}
	other, err := Builtin().ByName(map[int]string{4: "Win7SP1x86", 8: "Win7SP1x86_24000"}[entrySize])
	if err != nil || p.Arch() != X86 {
		return SoftPTE{}, false
	}
	return other.softPTE(entrySize)
}

// softPTE reads the form from the profile's own structures.
func (p *Profile) softPTE(size int) (s SoftPTE, ok bool) {
	ok = true
	bits := func(path string) Bits {
		f, there := p.Field(path)
		ok = ok && there
		return Bits{f.BitPos, f.Bits}
	}
	s = SoftPTE{
		Size:           size,
		Prototype:      bits("_MMPTE_SOFTWARE.Prototype"),
		Transition:     bits("_MMPTE_SOFTWARE.Transition"),
		PFN:            bits("_MMPTE_TRANSITION.PageFrameNumber"),
		Protection:     bits("_MMPTE_SOFTWARE.Protection"),
		PageFile:       bits("_MMPTE_SOFTWARE.PageFileLow"),
		PageFileOffset: bits("_MMPTE_SOFTWARE.PageFileHigh"),
	}
	if size == 4 {
		s.Proto, s.Subsection = classicPointers(bits)
	} else {
		s.Proto, s.Subsection = widePointer(bits("_MMPTE_PROTOTYPE.ProtoAddress")), widePointer(bits("_MMPTE_SUBSECTION.SubsectionAddress"))
	}
	complete := ok
	s.Swizzle = bits("_MMPTE_SOFTWARE.SwizzleBit")
	s.InStore = bits("_MMPTE_SOFTWARE.InStore")
	s.ProtoProtect = bits("_MMPTE_PROTOTYPE.Protection")
	return s, complete
}

// widePointer is a pointer in an 8-byte entry: 32 bits with PAE, 48 on x64.
func widePointer(b Bits) (p Pointer) {
	p.parts[0].Bits, p.signed = b, b.Len == 48
	return p
}

// classicPointers are the pointers in 4-byte entries. The lowest two bits of the address of a prototype PTE are zero.
// Since Windows Vista, the pointer to it has 8 low bits and means the upper half of the address space; before, it has
// 7 low bits and counts from the start of the paged pool (MiPteToProto). Since Vista, the pointer to a subsection
// holds all but the lowest two bits; before, it holds multiples of eight and counts up or down, as WhichPool says.
func classicPointers(bits func(path string) Bits) (proto, subsection Pointer) {
	low, high := bits("_MMPTE_PROTOTYPE.ProtoAddressLow"), bits("_MMPTE_PROTOTYPE.ProtoAddressHigh")
	proto = splitPointer(low, high, 2)
	if low.Len == 8 {
		proto.base = 0x80000000
	} else {
		proto.base, proto.up = protoBase, "MmPagedPoolStart"
	}
	low, high = bits("_MMPTE_SUBSECTION.SubsectionAddressLow"), bits("_MMPTE_SUBSECTION.SubsectionAddressHigh")
	if low.Len == 9 {
		return proto, splitPointer(low, high, 2)
	}
	subsection = splitPointer(low, high, 3)
	subsection.up, subsection.down, subsection.downIf = "MmSubsectionBase", "MmNonPagedPoolEnd", bits("_MMPTE_SUBSECTION.WhichPool")
	return proto, subsection
}

// splitPointer is a pointer in two parts without its lowest shift bits: the low part comes directly below the high
// part.
func splitPointer(low, high Bits, shift uint8) (p Pointer) {
	p.parts[0].Bits, p.parts[0].shift = low, shift
	p.parts[1].Bits, p.parts[1].shift = high, shift+low.Len
	return p
}
