package nt

import (
	"encoding/binary"
	"slices"

	"memlens/memimage/paging"
)

// candidate is a physical address that has the looks of a directory table base.
type candidate struct {
	mode *paging.Mode
	dtb  paging.Phys
	how  string
}

const pageSize = 4096

// shape finds the root tables of some modes among other pages, by the entries that Windows writes into each. It appends
// the bases that page p, at physical address pa, shows; most pages show none.
type shape func(out []candidate, p []byte, pa paging.Phys) []candidate

// shapes returns the shapes of all modes. Modes with root tables that map themselves by the same entries share a shape.
func shapes() []shape {
	var out []shape
	var seen []selfEntries
	for _, m := range paging.Modes() {
		s := selfEntries{m.EntrySize, m.Root.SelfFirst, m.Root.SelfEnd}
		switch {
		case m.Root.FourPointers:
			out = append(out, fourPointersOf(m))
		case s.end > 0 && !slices.Contains(seen, s):
			seen, out = append(seen, s), append(out, s.shape())
		}
	}
	return out
}

// selfEntries are the entries of a root table that may map the table itself.
type selfEntries struct{ size, first, end int }

// shape looks for a page with such an entry, and takes it for a root table of each mode that is possible for it.
func (s selfEntries) shape() shape {
	modes := slices.DeleteFunc(paging.Modes(), func(m *paging.Mode) bool {
		return s != selfEntries{m.EntrySize, m.Root.SelfFirst, m.Root.SelfEnd}
	})
	frame := modes[0].RootMask
	return func(out []candidate, p []byte, pa paging.Phys) []candidate {
		before := len(out)
		for i := s.next(p, s.first, frame, pa); i < s.end && len(out) == before && pa != 0; i = s.next(p, i+1, frame, pa) {
			for _, m := range modes {
				if entryAt(p, i, s.size)&m.Root.SelfMask == m.Root.Self {
					out = append(out, candidate{m, pa, m.Root.Name + " that maps itself"})
				}
			}
		}
		return out
	}
}

// next returns the first of the entries from i on that holds the address pa; their end when none does.
func (s selfEntries) next(p []byte, i int, frame uint64, pa paging.Phys) int {
	if s.size == 4 {
		for ; i < s.end && uint64(binary.LittleEndian.Uint32(p[4*i:]))&frame != uint64(pa); i++ {
		}
		return i
	}
	for four := p[8*i : 8*s.end]; len(four) >= 32 && !holdsAddress((*[32]byte)(four), frame, uint64(pa)); four = four[32:] {
		i += 4
	}
	for ; i < s.end && binary.LittleEndian.Uint64(p[8*i:])&frame != uint64(pa); i++ {
	}
	return i
}

// holdsAddress reports whether one of four entries holds an address. All of memory is looked at by fours.
func holdsAddress(four *[32]byte, frame, pa uint64) bool {
	return binary.LittleEndian.Uint64(four[0:])&frame == pa || binary.LittleEndian.Uint64(four[8:])&frame == pa ||
		binary.LittleEndian.Uint64(four[16:])&frame == pa || binary.LittleEndian.Uint64(four[24:])&frame == pa
}

// entryAt reads an entry of a table.
func entryAt(table []byte, i, size int) uint64 {
	if size == 4 {
		return uint64(binary.LittleEndian.Uint32(table[4*i:]))
	}
	return binary.LittleEndian.Uint64(table[8*i:])
}

// fourPointersOf looks for root tables of four page directory pointers in a row: 32 bytes. One page holds the root
// tables of many processes.
func fourPointersOf(m *paging.Mode) shape {
	return func(out []candidate, p []byte, pa paging.Phys) []candidate {
		for off := 0; off < pageSize; off += 128 {
			if !mayBePointer((*[128]byte)(p[off:])) {
				continue
			}
			for at := off; at < off+128; at += 32 {
				if fourPointers(p[at : at+32]) {
					out = append(out, candidate{m, pa + paging.Phys(at), m.Root.Name})
				}
			}
		}
		return out
	}
}

// mayBePointer reports whether one of four places, 32 bytes apart, has a page directory pointer, judging by the bits
// outside the address. All of memory is looked at by fours.
func mayBePointer(four *[128]byte) bool {
	const fixed = ^uint64(pointerFree | entryMaskPAE)
	return binary.LittleEndian.Uint64(four[0:])&fixed == 1 || binary.LittleEndian.Uint64(four[32:])&fixed == 1 ||
		binary.LittleEndian.Uint64(four[64:])&fixed == 1 || binary.LittleEndian.Uint64(four[96:])&fixed == 1
}

const (
	// pointerFree are the bits of a page directory pointer that may be set beside the valid bit and the address:
	// write-through and cache-disable, the accessed bit that QEMU's own processor sets (a real one has it reserved),
	// and the bits that processors leave to the system (Intel's manual, volume 3, table "Format of a PAE
	// Page-Directory-Pointer-Table Entry").
	pointerFree = 1<<3 | 1<<4 | 1<<5 | 7<<9
)

// entryMaskPAE are the bits of a page directory pointer that are an address, as far as 64 GiB.
const entryMaskPAE = 0x0000000ffffff000

// fourPointers checks four page directory pointers: valid, of different tables, and no impossible bit set.
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
