package paging

// Virt is a virtual address.
type Virt uint64

// Phys is a physical address.
type Phys uint64

// Level is one level of page tables. An index of Bits bits is taken from the virtual address at bit Shift. Where Large
// is set, a valid entry can map a page of 1<<Shift bytes itself.
type Level struct {
	Shift, Bits uint
	Large       bool
}

// Mode is a paging mode of a processor, with all that a walk needs.
type Mode struct {
	Name      string
	Arch      *Arch
	EntrySize int     // bytes of a page-table entry, 4 or 8
	VirtBits  uint    // bits of a virtual address that count
	Signed    bool    // the other bits of a virtual address repeat the highest that counts; false: they are clear
	PhysBits  uint    // bits of a physical address that an entry can hold
	RootMask  uint64  // bits of the directory table base that are an address
	Levels    []Level // the root first
	Bits      EntryBits
	user      int64 // bytes from address 0 on that processes have for themselves, at most
	System    Virt  // where the system's part of the addresses begins, at the lowest
	Root      RootShape
}

// EntryBits say what the bits of a page-table entry mean. A valid entry has bit 0.
type EntryBits struct {
	// Large marks an entry that maps a page itself, at levels that also have entries for tables: its bits of LargeMask
	// equal Large.
	Large, LargeMask uint64
	// Sole are further bits of a valid entry at levels with only one of both kinds; an entry without these bits is not
	// valid.
	Sole uint64
	// NoExecute are the bits that forbid execution in the memory that the entry maps, where all are set. Zero: no such
	// bits.
	NoExecute uint64
}

// RootShape describes the entries that Windows writes into every root table of a mode, by which the table is
// recognized.
type RootShape struct {
	Name string // name of the table
	// SelfFirst to SelfEnd are the entries among which one maps the table itself, so that the kernel sees all tables:
	// its bits of SelfMask equal Self. Both are 0 in a mode without such an entry.
	SelfFirst, SelfEnd int
	Self, SelfMask     uint64
	// FourPointers says that the table is four page directory pointers, 32 bytes.
	FourPointers bool
}

// The bits of entries of x86 processors: PS in entries that can map large pages, and XD in entries of 8 bytes.
var (
	bitsX86  = EntryBits{Large: 1 << 7, LargeMask: 1 << 7}
	bitsWide = EntryBits{Large: 1 << 7, LargeMask: 1 << 7, NoExecute: 1 << 63}
)

// selfX64 is the shape of root tables on 64-bit systems of x86 processors. The entry of the kernel's half that maps the
// table itself is random since Windows 10 1607.
func selfX64(name string) RootShape {
	return RootShape{Name: name, SelfFirst: 256, SelfEnd: 512, Self: 1, SelfMask: 1 | 1<<7}
}

// The paging modes of x86 processors (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 3, chapter
// "Paging").
var (
	X86 = &Mode{
		Name: "x86", Arch: ArchX86, EntrySize: 4, VirtBits: 32, PhysBits: 32, RootMask: 0xfffff000,
		Levels: []Level{{22, 10, true}, {12, 10, false}}, Bits: bitsX86, user: 3 << 30, System: 0x80000000,
		Root: RootShape{Name: "page directory", SelfFirst: 0x300, SelfEnd: 0x301, Self: 1, SelfMask: 1 | 1<<7},
	}
	PAE = &Mode{
		Name: "x86 PAE", Arch: ArchX86, EntrySize: 8, VirtBits: 32, PhysBits: 52, RootMask: 0xffffffe0,
		Levels: []Level{{30, 2, false}, {21, 9, true}, {12, 9, false}}, Bits: bitsWide, user: 3 << 30, System: 0x80000000,
		Root: RootShape{Name: "page directory pointers", FourPointers: true},
	}
	X64 = &Mode{
		Name: "x64", Arch: ArchX64, EntrySize: 8, VirtBits: 48, Signed: true, PhysBits: 52, RootMask: 0x000ffffffffff000,
		Levels: []Level{{39, 9, false}, {30, 9, true}, {21, 9, true}, {12, 9, false}}, Bits: bitsWide,
		user: 1 << 47, System: 0xffff800000000000, Root: selfX64("page table"),
	}
	// X64LA57 is the five-level mode.
	X64LA57 = &Mode{
		Name: "x64 5-level", Arch: ArchX64, EntrySize: 8, VirtBits: 57, Signed: true, PhysBits: 52, RootMask: 0x000ffffffffff000,
		Levels: []Level{{48, 9, false}, {39, 9, false}, {30, 9, true}, {21, 9, true}, {12, 9, false}}, Bits: bitsWide,
		user: 1 << 56, System: 0xff00000000000000, Root: selfX64("five-level page table"),
	}
)

// ARM64 is the paging mode of Windows on ARM64 processors: tables of 4 KiB (granule) in four levels (Arm Architecture
// Reference Manual, "The AArch64 Virtual Memory System Architecture"). Each of the two roots translates 47 bits (T0SZ
// and T1SZ are 17) by 256 entries. Windows has the entries of both roots in one page, one behind the other, so that
// they are one table of 512. A valid descriptor has bit 0; bit 1 distinguishes a table or page from a block. AF, bit
// 10, is set in all descriptors that Windows uses. Bits 53 and 54 keep the system and programs from executing.
var ARM64 = &Mode{
	Name: "ARM64", Arch: ArchARM64, EntrySize: 8, VirtBits: 48, Signed: true, PhysBits: 48, RootMask: 0x0000fffffffff000,
	Levels: []Level{{39, 9, false}, {30, 9, true}, {21, 9, true}, {12, 9, false}},
	Bits:   EntryBits{LargeMask: 1 << 1, Sole: 1 << 1, NoExecute: 3 << 53},
	user:   1 << 47, System: 0xffff800000000000,
	Root: RootShape{Name: "ARM64 translation table", SelfFirst: 256, SelfEnd: 512, Self: 0x403, SelfMask: 0x473},
}

// ARM gives the width of addresses in the dump of a process on a 32-bit ARM processor. It has no page tables.
var ARM = &Mode{Name: "ARM", Arch: ArchARM, EntrySize: 4, VirtBits: 32, PhysBits: 32, user: 3 << 30, System: 0x80000000}

// Modes returns all modes that a system runs in, the usual modes first.
func Modes() []*Mode { return []*Mode{X64, PAE, X86, X64LA57, ARM64} }

const pageSize = 4096

// NoExecute reports whether a valid entry forbids execution in all memory that it maps. Entries of 4 bytes cannot say
// it, and entries of 8 bytes do not where the processor or the system does not use it.
func (m *Mode) NoExecute(entry uint64) bool {
	return m.Bits.NoExecute != 0 && entry&m.Bits.NoExecute == m.Bits.NoExecute
}

// valid reports whether an entry of a level is valid.
func (m *Mode) valid(level int, entry uint64) bool {
	return entry&1 != 0 && (m.Levels[level].Large || entry&m.Bits.Sole == m.Bits.Sole)
}

// maps reports whether a valid entry of a level maps a page itself.
func (m *Mode) maps(level int, entry uint64) bool {
	return level == m.last() || m.Levels[level].Large && entry&m.Bits.LargeMask == m.Bits.Large
}

// last is the level with entries that always map pages.
func (m *Mode) last() int { return len(m.Levels) - 1 }

// index returns the byte offset of va's entry in a table of level l.
func (m *Mode) index(l Level, va Virt) int64 {
	return int64(uint64(va)>>l.Shift&(1<<l.Bits-1)) * int64(m.EntrySize)
}

// frame returns the physical address that a valid entry holds for a page or table of 1<<shift bytes.
func (m *Mode) frame(entry uint64, shift uint) Phys {
	return Phys(entry & (1<<m.PhysBits - 1) &^ (1<<shift - 1))
}

// Canonical reports whether va is an address that the mode can translate at all.
func (m *Mode) Canonical(va Virt) bool { return m.Canonicalize(va) == va }

// Canonicalize returns the address that the low bits of va stand for.
func (m *Mode) Canonicalize(va Virt) Virt {
	unused := 64 - m.VirtBits
	if m.Signed {
		return Virt(int64(va<<unused) >> unused)
	}
	return va << unused >> unused
}

// top returns the last address.
func (m *Mode) top() Virt { return m.Canonicalize(^Virt(0)) }

// UserSpace returns the size in bytes of the lower half of the address space, which processes have for themselves.
// On x86 that may be up to 3 GiB.
func (m *Mode) UserSpace() int64 { return m.user }

// SystemPart returns the addresses of the system's part of the address space. With 64 bits the last byte is left out.
func (m *Mode) SystemPart() Range { return Range{m.System, max(m.top(), m.top()+1)} }

// IsSystem reports whether va is an address of the system's part of the address space.
func (m *Mode) IsSystem(va Virt) bool { return va >= m.System && va <= m.top() }
