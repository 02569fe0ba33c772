package nt

import (
	"math/bits"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// softFormat translates a profile's page-table entries for package paging. variable reads kernel variables by name;
// memory is the size of physical memory in bytes.
func softFormat(p *profile.Profile, mode *paging.Mode, memory int64, variable func(string) (uint64, bool)) (*paging.Soft, bool) {
	pte, ok := p.SoftPTE(mode.EntrySize)
	if !ok {
		return nil, false
	}
	s := &paging.Soft{
		Transition: softBits(pte.Transition), Prototype: softBits(pte.Prototype), PFN: softBits(pte.PFN),
		FileNumber: softBits(pte.PageFile), FileOffset: softBits(pte.PageFileOffset),
		InStore: softBits(pte.InStore), Swizzle: softBits(pte.Swizzle),
		Proto: func(entry uint64) (paging.Virt, bool) {
			va, ok := pte.Proto.Address(entry, variable)
			return paging.Virt(va), ok
		},
	}
	s.PFN.Width = min(s.PFN.Width, frameBits(memory))
	return s, true
}

func softBits(b profile.Bits) paging.Bits { return paging.Bits{Pos: uint(b.Pos), Width: uint(b.Len)} }

// frameBits returns how many bits of a frame number in an entry that is not valid are used: kernels since 2018 set the
// bits above the processor's physical addresses there. Every processor has at least 36 bits of physical address, which
// is more than an entry of 4 bytes holds.
func frameBits(memory int64) uint {
	const least = 36
	return uint(max(least, bits.Len64(uint64(max(memory-1, 0))))) - 12
}
