package integrity

import (
	"encoding/binary"

	"memlens/memimage/restore"
)

// endCode finds out where changed code leads.
func (c *comparison) endCode(r *Run) {
	if c.endHotPatch(r) {
		return
	}
	j := jumps{c}
	for back := range uint32(3) { // the first bytes of a jump may be unchanged
		if back > r.RVA {
			return
		}
		if target, ok := j.at(r.RVA-back, back); ok {
			r.Target = target
			return
		}
	}
}

// hotPatchSize is how many bytes a hot patch changes: a jump of five bytes before the function, and a jump of two bytes
// to it.
const hotPatchSize = 7

// endHotPatch recognises the form of Windows' hot patches: where a function begins with two bytes that do nothing, a
// short jump leads to a long one in the padding before it. The cause is exact if the long jump leads to a module, and
// assumed if not all modules are known.
func (c *comparison) endHotPatch(r *Run) bool {
	if r.Len != hotPatchSize || len(r.Is) != hotPatchSize || r.Is[0] != 0xe9 || r.Is[5] != 0xeb || r.Is[6] != 0xf9 {
		return false
	}
	for _, pad := range r.Was[:5] {
		if pad != 0x90 && pad != 0xcc {
			return false
		}
	}
	if nop := string(r.Was[5:]); nop != "\x8b\xff" && nop != "\x66\x90" { // mov edi, edi
		return false
	}
	r.Target = c.wrap(c.in.LoadBase + uint64(r.RVA) + 5 + uint64(int64(int32(binary.LittleEndian.Uint32(r.Is[1:])))))
	if c.moduleAt(r.Target) != nil {
		r.Cause = HotPatch
		return true
	}
	r.Note = join(r.Note, "in the form of a hot patch")
	if !c.allKnown() {
		r.Cause, r.Certainty = HotPatch, restore.Assumed
	}
	return true
}

// jumps decodes the forms of jumps that lead a function elsewhere.
type jumps struct{ c *comparison }

// longest is the length of the longest form: mov rax, imm64; jmp rax, or push with both halves and ret.
const longest = 14

// at returns where the instructions at an RVA lead. Their first same bytes are as in the file.
func (j jumps) at(rva uint32, same uint32) (uint64, bool) {
	var b [longest]byte
	n, _ := j.c.memory.ReadAt(b[:], int64(rva))
	code, va := b[:n], j.c.in.LoadBase+uint64(rva)
	if target, size, ok := j.direct(code, va); ok && int(same) < size {
		return target, true
	}
	if len(code) >= 2 && code[0] == 0xeb && same < 2 { // to another jump, if there is one
		next := uint32(int64(rva) + 2 + int64(int8(code[1])))
		target := j.c.wrap(va + 2 + uint64(int64(int8(code[1]))))
		n, _ := j.c.memory.ReadAt(b[:], int64(next))
		if further, _, ok := j.direct(b[:n], j.c.in.LoadBase+uint64(next)); ok {
			target = further
		}
		return target, true
	}
	return 0, false
}

// direct decodes a jump or call of one of the common forms at va, and returns how many bytes it has.
func (j jumps) direct(b []byte, va uint64) (target uint64, size int, ok bool) {
	wide := j.c.header.Plus
	rel := func(at int) uint64 { return uint64(int64(int32(binary.LittleEndian.Uint32(b[at:])))) }
	switch {
	case len(b) >= 5 && (b[0] == 0xe9 || b[0] == 0xe8): // jmp, call rel32
		return j.c.wrap(va + 5 + rel(1)), 5, true
	case len(b) >= 6 && b[0] == 0xff && (b[1] == 0x25 || b[1] == 0x15): // jmp, call [memory]
		at := rel(2) & 0xffffffff
		if wide {
			at = va + 6 + rel(2)
		}
		target, ok = j.pointer(at)
		return target, 6, ok
	case len(b) >= 14 && b[0] == 0x68 && string(b[5:9]) == "\xc7\x44\x24\x04" && b[13] == 0xc3: // push; mov [rsp+4]; ret
		return uint64(binary.LittleEndian.Uint32(b[1:])) | uint64(binary.LittleEndian.Uint32(b[9:]))<<32, 14, true
	case len(b) >= 6 && b[0] == 0x68 && b[5] == 0xc3: // push; ret
		return j.c.wrap(rel(1)), 6, true
	case !wide && len(b) >= 7 && b[0]&0xf8 == 0xb8 && leaves(b[5:7], b[0]&7): // mov reg, imm32; jmp reg
		return rel(1) & 0xffffffff, 7, true
	case wide && len(b) >= 12 && b[0] == 0x48 && b[1]&0xf8 == 0xb8 && leaves(b[10:], b[1]&7): // mov reg, imm64; jmp reg
		return binary.LittleEndian.Uint64(b[2:]), 12, true
	case wide && len(b) >= 13 && b[0] == 0x49 && b[1]&0xf8 == 0xb8 && b[10] == 0x41 && leaves(b[11:], b[1]&7): // r8 to r15
		return binary.LittleEndian.Uint64(b[2:]), 13, true
	}
	return 0, 0, false
}

// leaves reports whether code jumps to the address in a register: jmp reg, call reg, or push reg; ret.
func leaves(b []byte, reg byte) bool {
	return b[0] == 0xff && (b[1] == 0xe0|reg || b[1] == 0xd0|reg) || b[0] == 0x50|reg && b[1] == 0xc3
}

// pointer reads an address from memory.
func (j jumps) pointer(va uint64) (uint64, bool) {
	b := make([]byte, j.c.header.PointerSize())
	if rva := j.c.wrap(va - j.c.in.LoadBase); rva < uint64(j.c.header.SizeOfImage) {
		n, _ := j.c.memory.ReadAt(b, int64(rva))
		return number(b), n == len(b)
	}
	ok := j.c.in.Read != nil && j.c.in.Read(b, va)
	return number(b), ok
}
