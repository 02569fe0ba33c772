package nt

import (
	"encoding/binary"
	"math/bits"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// blockCode undoes the coding in which 64-bit kernels since Windows 8 keep their debugger data block. The kernel makes
// of each word v of it (KdEncodeDataBlock)
//
//	rotr(bswap(v ^ KiWaitAlways) ^ &KdpDataBlockEncoded, KiWaitNever) ^ KiWaitNever
//
// which is rotr(bswap(v), n) ^ c with the same n and c for all words. Two words whose values are known give both away:
// the one that holds the block's tag and size, and the one behind it, which holds the kernel's address. So no symbols
// are needed.
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

// blockCodes are the codes that a block of the kernel at base may be in, by what the two known words come to when the
// constant is taken out by XORing them.
func blockCodes(base paging.Virt) map[uint64]blockCode {
	out := map[uint64]blockCode{}
	for size := uint32(kdbgCodedLeast); size <= kdbgCodedMost; size += 8 {
		for n := range 64 {
			out[rotatedRight(tagWord(size)^uint64(base), n)] = blockCode{n: n, size: size}
		}
	}
	return out
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

// findCodedData looks for an encoded block in the kernel's image.
func findCodedData(k *kernelImage) (*debuggerData, bool) {
	codes := blockCodes(k.Base)
	last, behind := uint64(0), false // the last word of the page before, if that could be read
	for rva := paging.Virt(0); rva < paging.Virt(k.Size); rva += pageSize {
		page, err := k.mem.record(k.Base+rva, pageSize)
		if err != nil {
			behind = false
			continue
		}
		for off := 0; off < pageSize; off += 8 {
			word := binary.LittleEndian.Uint64(page.b[off:])
			code, ok := codes[last^word]
			if ok && (behind || off > 0) {
				code.c = rotatedRight(tagWord(code.size), code.n) ^ last
				if d, ok := code.read(k, k.Base+rva+paging.Virt(off)-paging.Virt(kdbgKernBase)); ok {
					return d, true
				}
			}
			last = word
		}
		behind = true
	}
	return nil, false
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
