package restore

// Tables are the loader's tables of an image, the same ones that a restoration uses, for a comparison of memory with
// the file.
type Tables struct{ w *work }

// ReadTables reads the headers, the table of relocations and the load configuration of an image, and finds the base
// that it was linked for. Its error is the same as in [Restore].
func ReadTables(in Input) (*Tables, error) {
	w := newWork(in)
	err := w.readHeader()
	if err == nil {
		w.headerTouched = w.touched(0, w.headersEnd())
		w.readRelocations()
		w.findBase()
		w.readSlots()
	}
	if w.err != nil { // data whose read failed may have been taken for missing
		return nil, w.err
	}
	if err != nil {
		return nil, err
	}
	return &Tables{w}, nil
}

// Relocation is a number in an image that the loader adds to.
type Relocation struct{ slot }

// RVA returns where the number is.
func (r Relocation) RVA() int64 { return int64(r.rva) }

// Width returns how many bytes the number has.
func (r Relocation) Width() int { return r.width() }

// Moved returns the number v after a move of the image by delta.
func (r Relocation) Moved(v, delta uint64) uint64 {
	v += r.amount(delta)
	if n := r.width(); n < 8 {
		v &= 1<<(8*n) - 1
	}
	return v
}

// Relocations returns the relocations with bytes in the page at rva.
func (t *Tables) Relocations(rva uint32) []Relocation {
	slots := t.w.relocs.touching(rva)
	out := make([]Relocation, len(slots))
	for i, s := range slots {
		out[i] = Relocation{s}
	}
	return out
}

// KnowsRelocations reports whether all relocations of the page at rva are known.
func (t *Tables) KnowsRelocations(rva uint32) bool { return t.w.relocs.known(rva) }

// Bases returns the address that the file was linked for, with how sure that is, and the address that the image
// section's pages are relocated to.
func (t *Tables) Bases() (linked uint64, c Certainty, section uint64) {
	section = t.w.section
	if !t.w.in.KernelRelocates {
		section = t.w.base
	}
	return t.w.base, t.w.baseCertainty(), section
}

// Touched reports whether a process may have written to the headers, or to the table of relocations.
func (t *Tables) Touched() bool { return t.w.headerTouched || t.w.relocsTouched }

// Dynamic reports whether the load configuration names a table of changes that the kernel makes beyond base relocations.
func (t *Tables) Dynamic() bool { return t.w.dynamic }

// FileOffset returns the file offset that memory has at rva, and how many bytes from there on lie in the file as they do
// in memory.
func (t *Tables) FileOffset(rva int64) (off, n int64, ok bool) { return t.w.fileOffset(rva) }

// SlotKind is the use of a [Slot].
type SlotKind uint8

const (
	GuardSlot  SlotKind = iota // a pointer of control flow guard or a similar check, into ntdll
	CookieSlot                 // the security cookie
	IndexSlot                  // the index of thread-local data
)

// Slot is a number in an image that the loader, or the start of the program, sets.
type Slot struct {
	RVA   uint32
	Width int
	Kind  SlotKind
}

// Slots returns the slots that the load configuration and the TLS directory name.
func (t *Tables) Slots() []Slot {
	kinds := map[slotKind]SlotKind{guardSlot: GuardSlot, cookieSlot: CookieSlot, indexSlot: IndexSlot}
	out := make([]Slot, len(t.w.slots))
	for i, s := range t.w.slots {
		out[i] = Slot{s.rva, s.width, kinds[s.kind]}
	}
	return out
}
