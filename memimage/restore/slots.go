package restore

import (
	"cmp"
	"encoding/binary"
	"slices"
)

const (
	maxLoadConfig = 0x140 // bytes of the load configuration that are known: up to GuardMemcpyFunctionPointer

	cookie32 = 0xbb40e64e     // __security_cookie as Microsoft's compilers have it in the file
	cookie64 = 0x2b992ddfa232 // __security_cookie of 64-bit files

	noteSlots = "what the loader sets (guard pointers, security cookie, TLS index, handle of a delayed DLL) is as found"
)

// slotKind says what a loaderSlot is for, and with that how a filled one is recognized.
type slotKind uint8

const (
	guardSlot  slotKind = iota // points to a function of the image until the loader puts in an address in ntdll
	cookieSlot                 // has a known value until the program starts
	indexSlot                  // has 0
)

// loaderSlot is a pointer or a number in the image that the loader, or the start of the program, sets, and that no
// table of imports or relocations names.
type loaderSlot struct {
	rva   uint32
	width int
	kind  slotKind
}

// configField is a member of IMAGE_LOAD_CONFIG_DIRECTORY32 and 64 that holds the address of a loaderSlot.
type configField struct {
	at32, at64 int
	kind       slotKind
}

var configFields = [...]configField{
	{0x3c, 0x58, cookieSlot}, // SecurityCookie
	{0x48, 0x70, guardSlot},  // GuardCFCheckFunctionPointer
	{0x4c, 0x78, guardSlot},  // GuardCFDispatchFunctionPointer
	{0x84, 0xd8, guardSlot},  // GuardRFFailureRoutineFunctionPointer
	{0x90, 0xe8, guardSlot},  // GuardRFVerifyStackPointerFunctionPointer
	{0xac, 0x118, guardSlot}, // GuardXFGCheckFunctionPointer
	{0xb0, 0x120, guardSlot}, // GuardXFGDispatchFunctionPointer
	{0xb4, 0x128, guardSlot}, // GuardXFGTableDispatchFunctionPointer
	{0xb8, 0x130, guardSlot}, // CastGuardOsDeterminedFailureMode
	{0xbc, 0x138, guardSlot}, // GuardMemcpyFunctionPointer
}

// readSlots finds the slots that the load configuration and the TLS directory name.
func (w *work) readSlots() {
	if dir := w.h.directories[dirLoadConfig]; dir.rva != 0 {
		w.readLoadConfig(int64(dir.rva))
	}
	if dir := w.h.directories[dirTLS]; dir.rva != 0 {
		at := int64(2 * w.h.pointerSize()) // AddressOfIndex
		w.addSlot(int64(dir.rva)+at, 4, indexSlot)
	}
	slices.SortFunc(w.slots, func(a, b loaderSlot) int { return cmp.Compare(a.rva, b.rva) })
}

// readLoadConfig reads the load configuration at rva as far as its own Size goes: its slots, and whether it names a
// table of changes beyond base relocations (DynamicValueRelocTableOffset).
func (w *work) readLoadConfig(rva int64) {
	var b [4]byte
	if !w.read(b[:], rva) {
		return
	}
	size := min(int(binary.LittleEndian.Uint32(b[:])&0xffff), maxLoadConfig)
	dynamic := int64(0x88)
	if w.h.plus {
		dynamic = 0xe0
	}
	if dynamic+4 <= int64(size) && w.read(b[:], rva+dynamic) {
		w.dynamic = binary.LittleEndian.Uint32(b[:]) != 0
	}
	for _, f := range configFields {
		at := f.at32
		if w.h.plus {
			at = f.at64
		}
		if at+w.h.pointerSize() <= size {
			w.addSlot(rva+int64(at), w.h.pointerSize(), f.kind)
		}
	}
}

// addSlot adds the slot with its address at rva.
func (w *work) addSlot(rva int64, width int, kind slotKind) {
	var b [8]byte
	if !w.read(b[:w.h.pointerSize()], rva) {
		return
	}
	if at := w.oldRVA(binary.LittleEndian.Uint64(b[:])); at != 0 {
		w.slots = append(w.slots, loaderSlot{at, width, kind})
	}
}

// slotsIn returns the slots with bytes in the page at rva. Hostile slots may overlap.
func (w *work) slotsIn(rva uint32) []loaderSlot {
	const widest = 8 // bytes
	from, _ := slices.BinarySearchFunc(w.slots, int64(rva)-widest+1, func(s loaderSlot, rva int64) int { return cmp.Compare(int64(s.rva), rva) })
	var out []loaderSlot
	for _, s := range w.slots[from:] {
		if int64(s.rva) >= int64(rva)+pageSize {
			break
		}
		if int64(s.rva)+int64(s.width) > int64(rva) {
			out = append(out, s)
		}
	}
	return out
}

// loaderSlots counts the page's slots that the loader has filled: their value in the file is not known. They are not
// relocated back.
func (p *pageFix) loaderSlots() {
	for _, s := range p.w.slotsIn(p.rva) {
		at := int(int64(s.rva) - int64(p.rva))
		if at >= 0 && at+s.width <= pageSize && !p.w.isFilled(s, get(p.found[at:at+s.width])) {
			continue
		}
		if p.filled == nil {
			p.filled = map[int]bool{}
		}
		if !p.filled[at] {
			p.filled[at] = true
			p.row.SlotsLeft++
			p.note(noteSlots)
		}
	}
}

// isFilled reports whether value v of a slot is not the file's any more.
func (w *work) isFilled(s loaderSlot, v uint64) bool {
	switch s.kind {
	case cookieSlot:
		return v != cookie64 && v != cookie32
	case guardSlot:
		return v != 0 && !w.inImage(v, w.in.LoadBase) && !w.inImage(v, w.section) && !w.inImage(v, w.base)
	}
	return v != 0
}
