package restore

import "encoding/binary"

const (
	importDescriptorSize = 20      // sizeof(IMAGE_IMPORT_DESCRIPTOR)
	delayDescriptorSize  = 32      // sizeof(IMAGE_DELAYLOAD_DESCRIPTOR)
	maxDescriptors       = 1 << 13 // of either kind
	maxThunks            = 1 << 17 // in all tables together
)

// Notes on imports that cannot be undone.
const (
	noteBound   = "bound imports: what the file held is not known"
	noteLookup  = "imports: no lookup table says what the file held"
	noteILT     = "imports: a page of the lookup table is missing or damaged"
	noteImports = "imports: a page of the import directory is missing or damaged"
	noteDelay   = "delay imports that were resolved"
	noteStub    = "delay imports as their stubs have them"
	noteDelays  = "delay imports: a page of their tables is missing or damaged"
)

// pageEdits are the entries of the import tables about one page. They concern private pages only: other pages were
// never bound.
type pageEdits struct {
	set     []edit // thunks as they were in the file
	left    int    // thunks that are bound and cannot be put back
	delayed []int  // offsets of delay import thunks
	note    string
	tainted bool // the tables with these entries lie in written pages
	kept    bool // thunks that are as in the file: they were bound to the loaded DLLs
}

// edit is up to eight bytes at an offset of a page.
type edit struct {
	at int
	b  []byte
}

// importDoubt says that import tables exist that could not be read.
type importDoubt struct {
	imports, delays bool
}

func (w *work) editsAt(rva uint32) *pageEdits {
	rva &^= pageSize - 1
	e := w.edits[rva]
	if e == nil {
		e = &pageEdits{}
		w.edits[rva] = e
	}
	return e
}

// readImports goes through the import and delay import tables.
func (w *work) readImports() {
	if dir := w.h.directories[dirImport]; dir.rva != 0 {
		w.doubt.imports = !w.eachDescriptor(dir.rva, importDescriptorSize, 12, w.importDescriptor)
	}
	if dir := w.h.directories[dirDelay]; dir.rva != 0 {
		w.doubt.delays = !w.eachDescriptor(dir.rva, delayDescriptorSize, 4, w.delayDescriptor)
	}
	w.strayThunks()
}

// strayThunks watches thunks in the import address table without a descriptor: GNU linkers put delayed imports there,
// and no directory names them.
func (w *work) strayThunks() {
	dir, ps := w.h.directories[dirIAT], uint32(w.h.pointerSize())
	for at := uint32(0); dir.rva != 0 && at+ps <= min(dir.size, maxThunks*ps); at += ps {
		if rva := dir.rva + at; !w.placed[rva] {
			w.watchThunk(rva)
		}
	}
}

// watchThunk notes that the thunk at rva holds an address in the image until it is resolved.
func (w *work) watchThunk(rva uint32) {
	w.placed[rva] = true
	w.stubs.watched = append(w.stubs.watched, rva)
	e := w.editsAt(rva)
	e.delayed = append(e.delayed, int(rva%pageSize))
}

// eachDescriptor calls f with the descriptors of a table that ends with a descriptor without a name; name is the
// offset of the name in a descriptor. It reports whether all descriptors could be read, f's part included.
func (w *work) eachDescriptor(rva uint32, size int64, name int, f func(d []byte, tainted bool) bool) bool {
	for i := range int64(maxDescriptors) {
		d, at := make([]byte, size), int64(rva)+i*size
		if !w.read(d, at) {
			return false
		}
		if binary.LittleEndian.Uint32(d[name:]) == 0 {
			return true
		}
		if !f(d, w.written(at) || w.written(at+size-1)) {
			return false
		}
	}
	return false
}

// importDescriptor undoes one IMAGE_IMPORT_DESCRIPTOR. It reports false when there may be bound thunks that it could
// not find.
func (w *work) importDescriptor(d []byte, tainted bool) bool {
	lookup, bound := binary.LittleEndian.Uint32(d), binary.LittleEndian.Uint32(d[4:]) != 0
	var valid []Module
	if bound && !tainted {
		valid = w.boundTo(d)
	}
	iat := binary.LittleEndian.Uint32(d[16:])
	if iat == 0 {
		return true
	}
	if lookup == 0 || lookup == iat {
		return w.leaveThunks(iat, noteLookup)
	}
	ps := int64(w.h.pointerSize())
	for i := int64(0); ; i++ {
		v, ok := w.thunk(int64(lookup) + i*ps)
		switch {
		case !ok || v != 0 && !w.isThunk(v):
			return w.leaveThunks(iat+uint32(i*ps), noteILT)
		case v == 0:
			return true
		case bound && w.keepThunk(iat+uint32(i*ps), valid):
		case bound:
			w.leaveThunk(iat+uint32(i*ps), noteBound)
		default:
			w.setThunk(iat+uint32(i*ps), v, tainted || w.written(int64(lookup)+i*ps))
		}
	}
}

// thunk reads an entry of a table of thunks.
func (w *work) thunk(rva int64) (uint64, bool) {
	var b [8]byte
	if w.thunks++; w.thunks > maxThunks || !w.read(b[:w.h.pointerSize()], rva) {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b[:]), true
}

// isThunk reports whether v can be an entry of an import lookup table: an ordinal or the RVA of a
// hint and name.
func (w *work) isThunk(v uint64) bool {
	ordinal := uint64(1) << (8*w.h.pointerSize() - 1)
	if v&ordinal != 0 {
		return v&^ordinal <= 0xffff
	}
	return v < uint64(w.h.sizeOfImage)
}

// leaveThunks notes that the thunks from rva on, up to a zero, cannot be put back. It reports
// false when it could not find the end.
func (w *work) leaveThunks(rva uint32, note string) bool {
	for {
		v, ok := w.thunk(int64(rva))
		if !ok || v == 0 {
			return ok
		}
		w.leaveThunk(rva, note)
		rva += uint32(w.h.pointerSize())
	}
}

func (w *work) leaveThunk(rva uint32, note string) {
	w.placed[rva] = true
	e := w.editsAt(rva)
	e.left++
	e.note = note
	if over := rva%pageSize + uint32(w.h.pointerSize()); over > pageSize {
		w.editsAt(rva + pageSize).note = note
	}
}

// setThunk notes that the thunk at rva was v in the file.
func (w *work) setThunk(rva uint32, v uint64, tainted bool) {
	w.placed[rva] = true
	b := binary.LittleEndian.AppendUint64(nil, v)[:w.h.pointerSize()]
	for len(b) > 0 {
		at := int(rva % pageSize)
		n := min(len(b), pageSize-at)
		e := w.editsAt(rva)
		e.set = append(e.set, edit{at, b[:n]})
		e.tainted = e.tainted || tainted
		b, rva = b[n:], rva+uint32(n)
	}
}

// delayDescriptor notes where one IMAGE_DELAYLOAD_DESCRIPTOR has its thunks. In the file they hold addresses in the
// image, and are relocated with it; once resolved, they hold other addresses.
func (w *work) delayDescriptor(d []byte, _ bool) bool {
	handle, iat, names := w.delayTables(d)
	if handle != 0 {
		w.slots = append(w.slots, loaderSlot{handle, w.h.pointerSize(), indexSlot})
	}
	if iat == 0 || names == 0 {
		return false
	}
	ps := uint32(w.h.pointerSize())
	for i := uint32(0); ; i++ {
		v, ok := w.thunk(int64(names) + int64(i*ps))
		if !ok || v == 0 {
			return ok
		}
		w.watchThunk(iat + i*ps)
	}
}

// delayTables returns the RVAs of the DLL's handle, of the thunks and of their names that an IMAGE_DELAYLOAD_DESCRIPTOR
// holds, as RVAs or, as compilers of the 1990s had it, as addresses.
func (w *work) delayTables(d []byte) (handle, thunks, names uint32) {
	u32 := binary.LittleEndian.Uint32
	if u32(d)&1 != 0 {
		return u32(d[8:]), u32(d[12:]), u32(d[16:])
	}
	rva := func(at int) uint32 { return w.oldRVA(uint64(u32(d[at:]))) }
	return rva(8), rva(12), rva(16)
}

// oldRVA turns an address in the image, relocated or not, into an RVA; 0 for any other address.
func (w *work) oldRVA(va uint64) uint32 {
	for _, base := range []uint64{w.in.LoadBase, w.section, w.h.imageBase, w.base} {
		if rva := w.wrap(va - base); rva < uint64(w.h.sizeOfImage) {
			return uint32(rva)
		}
	}
	return 0
}

// mayBeBound reports whether thunks that could not be found may lie in the page at rva.
func (w *work) mayBeBound(rva uint32) bool {
	if w.doubt.delays {
		return true
	}
	iat := w.h.directories[dirIAT]
	if iat.rva == 0 || iat.size == 0 {
		return w.doubt.imports
	}
	return w.doubt.imports && rva+pageSize > iat.rva && uint64(rva) < uint64(iat.rva)+uint64(iat.size)
}
