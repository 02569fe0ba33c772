package paging

// Virt is a virtual address.
type Virt uint64

// Phys is a physical address.
type Phys uint64

// Level is one level of page tables. An index of Bits bits is taken from the virtual address at bit Shift. Where Large
// is set, bit 7 of a valid entry says that it maps a page of 1<<Shift bytes itself.
type Level struct {
	Shift, Bits uint
	Large       bool
}

// Mode is a paging mode of a processor: all that a walk has to know of it.
type Mode struct {
	Name      string
	EntrySize int     // bytes of a page-table entry, 4 or 8
	VirtBits  uint    // bits of a virtual address that count; the others repeat the highest, except when all 32 count
	PhysBits  uint    // bits of a physical address that an entry can hold
	RootMask  uint64  // bits of the directory table base that are an address
	Levels    []Level // the root first
}

// The paging modes of x86 processors (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 3, chapter
// "Paging").
var (
	X86 = &Mode{"x86", 4, 32, 32, 0xfffff000, []Level{{22, 10, true}, {12, 10, false}}}
	PAE = &Mode{"x86 PAE", 8, 32, 52, 0xffffffe0, []Level{{30, 2, false}, {21, 9, true}, {12, 9, false}}}
	X64 = &Mode{"x64", 8, 48, 52, 0x000ffffffffff000, []Level{{39, 9, false}, {30, 9, true}, {21, 9, true}, {12, 9, false}}}
	// X64LA57 is the five-level mode.
	X64LA57 = &Mode{"x64 5-level", 8, 57, 52, 0x000ffffffffff000,
		[]Level{{48, 9, false}, {39, 9, false}, {30, 9, true}, {21, 9, true}, {12, 9, false}}}
)

// Modes returns all modes.
func Modes() []*Mode { return []*Mode{X86, PAE, X64, X64LA57} }

const pageSize = 4096

// Bits of a valid entry, the same in all modes.
const (
	entryValid = 1 << 0
	entryLarge = 1 << 7
)

// NoExecute reports whether a valid entry says that nothing of what it maps can be executed (bit 63, XD). Entries of 4 bytes
// cannot say it, and those of 8 do not where the processor or the system does without.
func (m *Mode) NoExecute(entry uint64) bool { return m.EntrySize == 8 && entry>>63 != 0 }

// index returns the byte offset of va's entry in a table of level l.
func (m *Mode) index(l Level, va Virt) int64 {
	return int64(uint64(va)>>l.Shift&(1<<l.Bits-1)) * int64(m.EntrySize)
}

// frame returns the physical address that a valid entry holds for a page or table of 1<<shift bytes.
func (m *Mode) frame(entry uint64, shift uint) Phys {
	return Phys(entry & (1<<m.PhysBits - 1) &^ (1<<shift - 1))
}

// Canonical reports whether va is an address that the mode can translate at all.
func (m *Mode) Canonical(va Virt) bool {
	if m.VirtBits == 32 {
		return va>>32 == 0
	}
	return Virt(int64(va<<(64-m.VirtBits))>>(64-m.VirtBits)) == va
}

// Canonicalize returns the address that the low bits of va stand for.
func (m *Mode) Canonicalize(va Virt) Virt {
	if m.VirtBits == 32 {
		return va & 0xffffffff
	}
	return Virt(int64(va<<(64-m.VirtBits)) >> (64 - m.VirtBits))
}

// UserSpace returns the size in bytes of the lower half of the address space, which processes have for themselves.
// On x86 that may be up to 3 GiB.
func (m *Mode) UserSpace() int64 {
	if m.VirtBits == 32 {
		return 3 << 30
	}
	return 1 << (m.VirtBits - 1)
}
