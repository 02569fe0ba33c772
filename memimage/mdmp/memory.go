package mdmp

// Region is a stretch of addresses with Windows' description of it (MINIDUMP_MEMORY_INFO, MEMORY_BASIC_INFORMATION).
type Region struct {
	Start, Len     uint64
	Allocation     uint64 // first address of the allocation
	AllocatedAs    uint32 // PAGE_*: the protection at allocation
	State, Protect uint32 // MEM_COMMIT or MEM_RESERVE; PAGE_*, 0 for memory that is only reserved
	Type           uint32
}

// Values of State and Type, and one of the protections.
const (
	Commit  = 0x1000
	Reserve = 0x2000

	Private = 0x20000
	Mapped  = 0x40000
	Image   = 0x1000000

	ReadOnly = 0x2 // PAGE_READONLY
)

const (
	regionHeader = 16 // MINIDUMP_MEMORY_INFO_LIST
	regionSize   = 48 // MINIDUMP_MEMORY_INFO
	rangesHeader = 16 // MINIDUMP_MEMORY64_LIST
	rangeSize    = 16 // MINIDUMP_MEMORY_DESCRIPTOR64
)

// regions writes MINIDUMP_MEMORY_INFO_LIST.
func (w *writer) regions(d *Dump) (at, size int) {
	size = regionHeader + len(d.Regions)*regionSize
	at = w.room(size)
	w.u32s(at, regionHeader, regionSize)
	w.u64(at+8, uint64(len(d.Regions)))
	for i, r := range d.Regions {
		row := at + regionHeader + i*regionSize
		w.u64(row, r.Start)
		w.u64(row+8, r.Allocation)
		w.u32(row+16, r.AllocatedAs)
		w.u64(row+24, r.Len)
		w.u32s(row+32, r.State, r.Protect, r.Type)
	}
	return at, size
}

// memory writes MINIDUMP_MEMORY64_LIST, which the memory follows directly. It is the last stream.
func (w *writer) memory(d *Dump) (at, size int) {
	size = rangesHeader + len(d.Memory)*rangeSize
	at = w.room(size)
	w.u64(at, uint64(len(d.Memory)))
	w.u64(at+8, uint64(at+size))
	for i, r := range d.Memory {
		w.u64(at+rangesHeader+i*rangeSize, r.Start)
		w.u64(at+rangesHeader+i*rangeSize+8, r.Len)
	}
	return at, size
}
