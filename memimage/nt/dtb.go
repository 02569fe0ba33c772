package nt

import (
	"encoding/binary"

	"memlens/memimage/paging"
)

// candidate is a physical address that has the looks of a directory table base.
type candidate struct {
	mode *paging.Mode
	dtb  paging.Phys
	how  string
}

const pageSize = 4096

// shapes tell page directories by what Windows writes into each of them: entries that map the tables themselves. Each
// appends the bases that page p, at physical address pa, gives away; most pages give none.
var shapes = []func(out []candidate, p []byte, pa paging.Phys) []candidate{selfMapX64, selfMapX86, pointersPAE}

const (
	entryMaskX64 = 0x000ffffffffff000
	entryMaskPAE = 0x0000000ffffff000
)

// selfMapX64 looks for a root table with an entry, in the kernel's half, that maps the table itself. Which one is
// random since Windows 10 1607. Five-level tables look alike.
func selfMapX64(out []candidate, p []byte, pa paging.Phys) []candidate {
	for i := 256; i < 512; i++ {
		e := binary.LittleEndian.Uint64(p[8*i:])
		if e&entryMaskX64 != uint64(pa) || e&0x81 != 1 || pa == 0 {
			continue
		}
		return append(out, candidate{paging.X64, pa, "page table that maps itself"}, candidate{paging.X64LA57, pa, "five-level page table that maps itself"})
	}
	return out
}

// selfMapX86 looks for a page directory whose entry 0x300 maps the directory itself, at 0xc0300000.
func selfMapX86(out []candidate, p []byte, pa paging.Phys) []candidate {
	e := binary.LittleEndian.Uint32(p[4*0x300:])
	if uint64(e&^0xfff) != uint64(pa) || e&0x81 != 1 || pa == 0 {
		return out
	}
	return append(out, candidate{paging.X86, pa, "page directory that maps itself"})
}

// pointersPAE looks for four page directory pointers in a row, 32 bytes that many processes have in one page.
func pointersPAE(out []candidate, p []byte, pa paging.Phys) []candidate {
	for off := 0; off < pageSize; off += 32 {
		if p[off]&pointerFixed != 1 || !fourPointers(p[off:off+32]) {
			continue
		}
		out = append(out, candidate{paging.PAE, pa + paging.Phys(off), "page directory pointers"})
	}
	return out
}

const (
	// pointerFree are the bits of a page directory pointer that may be set beside the valid bit and the address: write-
	// through and cache-disable, the accessed bit that QEMU's own processor sets (a real one has it reserved), and those
	// that processors leave to the system (Intel's manual, volume 3, table "Format of a PAE Page-Directory-Pointer-Table
	// Entry").
	pointerFree = 1<<3 | 1<<4 | 1<<5 | 7<<9
	// pointerFixed are the bits of the lowest byte that are not free.
	pointerFixed = 0xff &^ (pointerFree & 0xff)
)

// fourPointers checks four page directory pointers: valid, of different tables, and no bit set that cannot be.
func fourPointers(p []byte) bool {
	var seen [4]uint64
	for i := range seen {
		e := binary.LittleEndian.Uint64(p[8*i:]) &^ pointerFree
		if e&^entryMaskPAE != 1 || e&entryMaskPAE == 0 {
			return false
		}
		for _, other := range seen[:i] {
			if other == e {
				return false
			}
		}
		seen[i] = e
	}
	return true
}

// lowStub reads the directory table base from the page in the first MiB with which x64 processors are started: a jump
// at its start, the kernel's entry point at 0x70 and CR3 at 0xa0.
func lowStub(p []byte) (paging.Phys, bool) {
	const startBytes, startMask = 0x00000001000600e9, 0xffffffffffff00ff
	if binary.LittleEndian.Uint64(p)&startMask != startBytes {
		return 0, false
	}
	entry, cr3 := binary.LittleEndian.Uint64(p[0x70:]), binary.LittleEndian.Uint64(p[0xa0:])
	if entry&0xfffff80000000003 != 0xfffff80000000000 || cr3&0xffffff0000000fff != 0 || cr3 == 0 {
		return 0, false
	}
	return paging.Phys(cr3), true
}
