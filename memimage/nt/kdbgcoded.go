package nt

import (
	"encoding/binary"
	"math/bits"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// blockCode undoes the coding in which 64-bit kernels since Windows 8 keep their debugger data block. The kernel
// replaces each word v of it (KdEncodeDataBlock) by
//
//	rotr(bswap(v ^ KiWaitAlways) ^ &KdpDataBlockEncoded, KiWaitNever) ^ KiWaitNever
//
// which is rotr(bswap(v), n) ^ c with the same n and c for all words. Two words with known values give both n and c:
// the word with the block's tag and size, and the word behind it, which holds the kernel's address. So no symbols are
// needed.
type blockCode struct {
	n    int
	c    uint64
	size uint32
}

func rotatedRight(v uint64, n int) uint64 { return bits.RotateLeft64(bits.ReverseBytes64(v), -n) }

// decode undoes the coding of a word.
func (b blockCode) decode(word uint64) uint64 {
	return bits.ReverseBytes64(bits.RotateLeft64(word^b.c, b.n))
}

// The sizes that an encoded block may state: 0x360 in Windows 8, 0x380 in Windows 10; later ones may grow.
const (
	kdbgCodedLeast = 0x340
	kdbgCodedMost  = 0x480
)

// tagWord is the word of the block that holds its tag and size.
func tagWord(size uint32) uint64 {
	return uint64(binary.LittleEndian.Uint32(kdbgMark)) | uint64(size)<<32
}

// codeTable has the possible codes of a block of the kernel at one base. Its key is the XOR of the two known words in
// code, which removes the constant. Every word of the kernel is looked up in it, so a filter comes first, which fits
// the processor's nearest cache and lets through one of 25 words.
type codeTable struct {
	filter [1 << (filterBits - 6)]uint64
	codes  map[uint64]blockCode // without the constant
}

const filterBits = 16 // the binary logarithm of the bits in the filter

func newCodeTable(base paging.Virt) *codeTable {
	t := &codeTable{codes: make(map[uint64]blockCode, 64*((kdbgCodedMost-kdbgCodedLeast)/8+1))}
	for size := uint32(kdbgCodedLeast); size <= kdbgCodedMost; size += 8 {
		for n := range 64 {
			key := rotatedRight(tagWord(size)^uint64(base), n)
			t.codes[key] = blockCode{n: n, size: size}
			at, bit := inFilter(key)
			t.filter[at] |= bit
		}
	}
	return t
}

// codeOf returns the code of a block of the kernel at base. tag and kernel are the encoded words for its tag and size,
// and for that address.
func codeOf(tag, kernel uint64, base paging.Virt) (blockCode, bool) {
	for size := uint32(kdbgCodedLeast); size <= kdbgCodedMost; size += 8 {
		for n := range 64 {
			if rotatedRight(tagWord(size)^uint64(base), n) == tag^kernel {
				return blockCode{n: n, size: size, c: rotatedRight(tagWord(size), n) ^ tag}, true
			}
		}
	}
	return blockCode{}, false
}

// inFilter returns the place of a key in the filter (Fibonacci hashing).
func inFilter(key uint64) (at, bit uint64) {
	h := key * 0x9e3779b97f4a7c15 >> (64 - filterBits)
	return h / 64, 1 << (h % 64)
}

// maybe reports whether two words may be a block's: nearly all words are not.
func (t *codeTable) maybe(tag, base uint64) bool {
	at, bit := inFilter(tag ^ base)
	return t.filter[at]&bit != 0
}

// code returns the code of a block with the encoded word tag for its tag and size, and the word base behind it.
func (t *codeTable) code(tag, base uint64) (blockCode, bool) {
	code, ok := t.codes[tag^base]
	code.c = rotatedRight(tagWord(code.size), code.n) ^ tag
	return code, ok
}

// read decodes the block at va and checks that its lists lie in the kernel.
func (b blockCode) read(k *kernelImage, va paging.Virt) (*debuggerData, bool) {
	r, err := k.mem.record(va, int(b.size))
	if err != nil {
		return nil, false
	}
	for off := 0; off+8 <= len(r.b); off += 8 {
		binary.LittleEndian.PutUint64(r.b[off:], b.decode(binary.LittleEndian.Uint64(r.b[off:])))
	}
	d := &debuggerData{VA: va, rec: r, coded: true}
	for _, list := range []profile.Offset{kdbgPsActiveProcessHead, kdbgPsLoadedModuleList} {
		if !k.contains(d.ptr(k.mem, list)) {
			return nil, false
		}
	}
	return d, d.ptr(k.mem, kdbgKernBase) == k.Base
}
