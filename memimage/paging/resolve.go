package paging

import (
	"encoding/binary"
	"fmt"
)

// decode returns the place of the page or table of a non-zero entry without the valid bit, or a fault that says why it
// has none. It follows no prototypes.
func (s *Space) decode(entry uint64) (frame, *FaultError) {
	if s.soft == nil {
		return frame{}, &FaultError{State: NotPresent, Entry: entry}
	}
	switch plain := s.soft.plain(entry); s.soft.classify(entry) {
	case kindTransition:
		return frame{state: Transition, src: s.mem, off: int64(s.mode.frame(s.soft.PFN.of(plain)<<12, 12))}, nil
	case kindDemandZero:
		return frame{state: DemandZero}, nil
	case kindPageFile:
		return s.inPageFile(entry)
	default:
		return frame{}, &FaultError{State: NotPresent, Entry: entry}
	}
}

func (s *Space) inPageFile(entry uint64) (frame, *FaultError) {
	plain := s.soft.plain(entry)
	number, off := int(s.soft.FileNumber.of(plain)), int64(s.soft.FileOffset.of(plain)<<12)
	if s.soft.OffsetsUnknown {
		number = -1
	}
	if s.soft.hidden(entry) {
		return frame{}, &FaultError{State: PageFile, Entry: entry, File: number, Off: -1}
	}
	state := PageFile
	if s.soft.InStore.of(entry) != 0 {
		state = Compressed
	}
	if s.swap != nil {
		if at, ok := s.swap.Page(number, off); ok && (at.State == state || state == PageFile) {
			return frame{at.State, at.Src, at.Off, number}, nil
		}
	}
	return frame{}, &FaultError{State: state, Entry: entry, File: number, Off: off}
}

// resolve finds the page of an entry without the valid bit at which the walk of the tables ended, at level l.
func (s *Space) resolve(va Virt, l Level, entry uint64) (Page, error) {
	small := Level{Shift: 12}
	if s.soft == nil {
		return Page{}, s.fault(va, l, FaultError{State: NotPresent, Entry: entry})
	}
	switch s.soft.classify(entry) {
	case kindPrototype:
		return s.named(va, entry)
	case kindLookup:
		return s.lookup(va, small, ViaLookup, entry)
	case kindAbsent:
		return s.lookup(va, l, ViaVAD, entry)
	}
	at, fault := s.decode(entry)
	if fault != nil {
		return Page{}, s.fault(va, small, *fault)
	}
	return s.page(va, small, at, ViaTable, entry)
}

// named finds the page of an entry that names its prototype entry. The virtual address descriptor knows the address for
// certain. Without a descriptor the entry is used, which has few bits for it on x86.
func (s *Space) named(va Virt, entry uint64) (Page, error) {
	if s.backing != nil {
		switch proto, ok, err := s.backing.PrototypePTE(va); {
		case err != nil:
			return Page{}, backingError(va, err)
		case ok:
			return s.prototype(va, proto, ViaPrototype, entry)
		}
	}
	proto, ok := s.soft.Proto(entry)
	if !ok {
		return Page{}, s.fault(va, Level{Shift: 12}, FaultError{State: NotFollowed, Via: ViaPrototype, Entry: entry})
	}
	return s.prototype(va, proto, ViaPrototype, entry)
}

// backingError says that the memory behind va could not be found out.
func backingError(va Virt, err error) error {
	return fmt.Errorf("paging: looking for what stands behind %#x: %w", uint64(va), err)
}

// lookup asks the virtual address descriptors for the prototype entry of va. Without an answer all addresses that an
// entry of level l covers are not present, up to the next descriptor; where that is not known, only one page is.
func (s *Space) lookup(va Virt, l Level, via Via, entry uint64) (Page, error) {
	if s.backing == nil {
		if via == ViaLookup {
			l = Level{Shift: 12}
		}
		return Page{}, s.fault(va, l, FaultError{State: NotFollowed, Via: via, Entry: entry})
	}
	proto, ok, err := s.backing.PrototypePTE(va)
	if err != nil {
		return Page{}, backingError(va, err)
	}
	if !ok {
		return Page{}, s.unbacked(va, l, via, entry)
	}
	return s.prototype(va, proto, via, entry)
}

// unbacked is the fault of an entry of level l when the descriptors have no prototype entry at va.
func (s *Space) unbacked(va Virt, l Level, via Via, entry uint64) *FaultError {
	f := FaultError{State: NotPresent, Via: via, Entry: entry}
	page := s.fault(va, Level{Shift: 12}, f)
	if b, ok := s.backing.(Bounded); ok && via == ViaVAD {
		if end := b.Unbacked(va); end > va {
			all := s.fault(va, l, f)
			page.Size = max(page.Size, min(all.Size, int64(min(end-va, 1<<62))))
		}
	}
	return page
}

// prototype finds the page of the prototype entry at proto in the system's address space.
func (s *Space) prototype(va, proto Virt, via Via, entry uint64) (Page, error) {
	small := Level{Shift: 12}
	if s.kernel == nil {
		return Page{}, s.fault(va, small, FaultError{State: NotFollowed, Via: via, Entry: entry})
	}
	at, entry, err := s.kernel.behind(proto, s.swap)
	if fault, ok := err.(*FaultError); ok {
		fault.Via = via
		return Page{}, s.fault(va, small, *fault)
	}
	if err != nil {
		return Page{}, err
	}
	return s.page(va, small, at, via, entry)
}

// PrototypeAt returns the page that the prototype entry at address proto of the system's address space s stands for.
// VA and Via of the result, or of the *[FaultError], are for the caller to fill in. swap may be nil.
func (s *Space) PrototypeAt(proto Virt, swap Swap) (Page, error) {
	at, entry, err := s.behind(proto, swap)
	if err != nil {
		return Page{}, err
	}
	return s.page(0, Level{Shift: 12}, at, ViaPrototype, entry)
}

// behind finds where the page of a prototype entry lies, and returns the entry. The error is a *[FaultError] without an
// address, or comes from a damaged source.
func (s *Space) behind(proto Virt, swap Swap) (frame, uint64, error) {
	if s.soft == nil {
		return frame{}, 0, &FaultError{Size: pageSize, State: NotPresent}
	}
	var b [8]byte
	if _, err := s.ReadVirt(b[:s.mode.EntrySize], proto); err != nil {
		if !isMissing(err) {
			return frame{}, 0, err
		}
		return frame{}, 0, &FaultError{Size: pageSize, State: Unreadable, Off: int64(proto)}
	}
	entry := binary.LittleEndian.Uint64(b[:])
	if s.mode.valid(s.mode.last(), entry) {
		return s.valid(s.mode.frame(entry, 12)), entry, nil
	}
	switch s.soft.classify(entry) {
	case kindPrototype, kindLookup: // in a prototype entry the bit marks _MMPTE_SUBSECTION
		return frame{}, entry, &FaultError{Size: pageSize, State: FileOnly, Entry: entry}
	case kindAbsent: // a page that never existed, or was decommitted
		return frame{}, entry, &FaultError{Size: pageSize, State: NotPresent, Entry: entry}
	}
	at, fault := s.Follow(Sources{Swap: swap}).decode(entry)
	if fault != nil {
		fault.Size = pageSize
		return frame{}, entry, fault
	}
	return at, entry, nil
}
