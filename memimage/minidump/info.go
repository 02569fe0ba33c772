package minidump

import (
	"cmp"
	"slices"
)

// MemoryInfo is a MINIDUMP_MEMORY_INFO: a stretch of the process's addresses, as VirtualQuery describes it.
type MemoryInfo struct {
	Base       uint64
	Allocation uint64 // AllocationBase: beginning of the allocation or mapping that it is a part of
	// Asked is the protection with which the allocation was made (AllocationProtect), and Protect the present one
	// (PAGE_*).
	Asked, Protect uint32
	Size           uint64
	State          uint32 // MEM_COMMIT, MEM_RESERVE or MEM_FREE
	Type           uint32 // MEM_PRIVATE, MEM_MAPPED or MEM_IMAGE
}

// States and types of memory (winnt.h).
const (
	Commit  = 0x1000
	Reserve = 0x2000
	Free    = 0x10000
	Private = 0x20000
	Mapped  = 0x40000
	Image   = 0x1000000
)

// End returns the address behind the last one.
func (m *MemoryInfo) End() uint64 { return m.Base + m.Size }

const (
	infoHeader = 16
	infoSize   = 48
	maxInfos   = 1 << 20
	maxAddress = 1 << 63 // offsets of a sparse range have 63 bits
)

// readInfos reads the list of all addresses, and sorts it.
func (r *reader) readInfos(d *Dump) {
	r.describeThreads(d)
	s, ok := d.stream(MemoryInfoListStream)
	if !ok {
		return
	}
	wild := 0
	r.sized(s, infoHeader, infoSize, maxInfos, func(b fields) {
		m := MemoryInfo{Base: b.u64(0), Allocation: b.u64(8), Asked: b.u32(16), Size: b.u64(24), State: b.u32(32), Protect: b.u32(36), Type: b.u32(40)}
		if m.Size == 0 || m.Base >= maxAddress || m.Size > maxAddress-m.Base {
			wild++
			return
		}
		d.Infos = append(d.Infos, m)
	})
	d.HasInfos = len(d.Infos) > 0
	slices.SortStableFunc(d.Infos, func(a, b MemoryInfo) int { return cmp.Compare(a.Base, b.Base) })
	d.Infos = r.disjoint(d.Infos, wild)
}

// disjoint drops entries that begin within an earlier entry; infos are in the order of addresses.
func (r *reader) disjoint(infos []MemoryInfo, wild int) []MemoryInfo {
	out, end := infos[:0], uint64(0)
	for _, m := range infos {
		if m.Base < end {
			wild++
			continue
		}
		out, end = append(out, m), m.End()
	}
	if wild > 0 {
		r.note("The MemoryInfoListStream is damaged: %d of its entries have no addresses or overlap others, and are left out.", wild)
	}
	return out
}
