package restore

import (
	"encoding/binary"
	"slices"
)

// maxStubCode is how many bytes of code are searched for stubs.
const maxStubCode = 64 << 20

// stubLength is the length of a stub up to the opcode of its jump, and one more: B8 and four bytes, or 48 8D 05 and
// four bytes, then E9 or EB.
const stubLength = 8

// stubs are the values of delay import thunks in the file: the address of a stub in the code. It loads the address of
// the thunk and jumps to the helper that resolves it.
type stubs struct {
	watched  []uint32          // RVAs of the thunks
	resolved bool              // a thunk holds an address outside the image
	of       map[uint32]uint32 // RVA of the only stub, by RVA of the thunk
}

// undoDelays puts resolved delay imports back where r, the file restored so far, has just one stub for the thunk.
func (w *work) undoDelays(r *Result) (*Result, error) {
	if !w.stubs.resolved || !w.known() {
		return r, nil
	}
	w.findStubs(r)
	if w.stubs.of = w.believed(r); len(w.stubs.of) == 0 {
		return r, nil
	}
	clear(w.deltas)
	return w.result()
}

// findStubs searches the code for stubs.
func (w *work) findStubs(r *Result) {
	found := map[uint32][]uint32{}
	for _, rva := range w.stubs.watched {
		found[rva] = nil
	}
	left := int64(maxStubCode)
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.RVA < 0 || row.RVA >= 1<<32 || row.Kind == Missing || row.Certainty() == Left || !w.isCode(uint32(row.RVA)) {
			continue
		}
		if left -= row.Length; left < 0 {
			return
		}
		code := make([]byte, row.Length+stubLength-1)
		n, err := r.Reader.ReadAt(code, row.FileOffset)
		if n < int(row.Length) {
			w.failed(err)
		}
		w.scanStubs(code[:n], uint32(row.RVA), found)
	}
	w.stubs.of = map[uint32]uint32{}
	for thunk, list := range found {
		if len(list) == 1 {
			w.stubs.of[thunk] = list[0]
		}
	}
}

// scanStubs adds the stubs in code, which lies at rva, to the stubs of their thunks. It keeps two at most for a
// thunk: then neither is the only one.
func (w *work) scanStubs(code []byte, rva uint32, found map[uint32][]uint32) {
	for i := range code {
		thunk, ok := w.stubAt(code[i:], rva+uint32(i))
		if !ok {
			continue
		}
		if list, watched := found[thunk]; watched && len(list) < 2 && !slices.Contains(list, rva+uint32(i)) {
			found[thunk] = append(list, rva+uint32(i))
		}
	}
}

// stubAt returns the RVA of the thunk for the stub at the beginning of code: "mov eax, thunk; jmp" or, in 64-bit
// code, "lea rax, [rip+thunk]; jmp".
func (w *work) stubAt(code []byte, rva uint32) (uint32, bool) {
	prefix := []byte{0xb8}
	if w.h.plus {
		prefix = []byte{0x48, 0x8d, 0x05}
	}
	n := len(prefix)
	if len(code) < n+5 || !slices.Equal(code[:n], prefix) || code[n+4] != 0xe9 && code[n+4] != 0xeb {
		return 0, false
	}
	v := binary.LittleEndian.Uint32(code[n:])
	if w.h.plus {
		return rva + uint32(n+4) + v, true
	}
	return v - uint32(w.base), true
}

// believed returns the stubs, or none when a thunk that was not resolved holds another value than its stub: then this
// program uses its thunks in an unusual way.
func (w *work) believed(r *Result) map[uint32]uint32 {
	for thunk, stub := range w.stubs.of {
		off, n, ok := w.fileOffset(int64(thunk))
		b := make([]byte, w.h.pointerSize())
		if !ok || n < int64(len(b)) {
			continue
		}
		if n, err := r.Reader.ReadAt(b, off); n < len(b) {
			w.failed(err)
			continue
		}
		if v := get(b); w.inImage(v, w.base) && v != w.wrap(w.base+uint64(stub)) {
			return nil
		}
	}
	return w.stubs.of
}

// isCode reports whether rva lies in a section that can be executed and not written.
func (w *work) isCode(rva uint32) bool {
	i := w.h.sectionAt(rva)
	return i >= 0 && w.h.sections[i].characteristics&(scnExecute|scnWrite) == scnExecute
}

// resolvedDelays counts the delay import thunks that do not hold an address in the image any more, and puts the
// thunks with a known stub back.
func (p *pageFix) resolvedDelays(offsets []int) int {
	n, base, size := 0, p.w.base, p.w.h.pointerSize()
	if !p.w.known() {
		base = p.w.baseOf(p.page)
	}
	for _, at := range offsets {
		b := p.restored[at:min(at+size, pageSize)]
		v := get(b)
		if v == 0 || len(b) == size && p.w.inImage(v, base) {
			continue
		}
		delete(p.overwritten, at)
		stub, ok := p.w.stubs.of[p.rva+uint32(at)]
		if !ok || len(b) < size {
			p.w.stubs.resolved = true
			n++
			continue
		}
		copy(b, binary.LittleEndian.AppendUint64(nil, base+uint64(stub))[:size])
		p.row.ImportsUndone++
		p.note(noteStub)
	}
	return n
}
