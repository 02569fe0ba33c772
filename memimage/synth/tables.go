package synth

import "fmt"

// Paging is the way addresses are translated.
type Paging uint8

// The paging modes of Windows on x86 processors.
const (
	X86  Paging = iota + 1 // 32 bit, two levels, 4-byte entries
	PAE                    // 32 bit, three levels, 8-byte entries
	X64                    // four levels
	LA57                   // five levels
)

// String names the mode.
func (p Paging) String() string {
	if p < X86 || p > LA57 {
		return fmt.Sprintf("Paging(%d)", uint8(p))
	}
	return [...]string{"x86", "PAE", "x64", "LA57"}[p-X86]
}

// mode says how a paging mode's tables are laid out.
type mode struct {
	entry  int    // bytes of an entry
	levels []uint // lowest address bit that each level decides, from the top
	bits   uint   // address bits per level (the top level of PAE has 2)
	kernel uint64 // first kernel address
	large  uint   // lowest address bit that a large page leaves alone
}

var modes = map[Paging]mode{
	X86:  {entry: 4, levels: []uint{22, 12}, bits: 10, kernel: 0x80000000, large: 22},
	PAE:  {entry: 8, levels: []uint{30, 21, 12}, bits: 9, kernel: 0x80000000, large: 21},
	X64:  {entry: 8, levels: []uint{39, 30, 21, 12}, bits: 9, kernel: 0xffff800000000000, large: 21},
	LA57: {entry: 8, levels: []uint{48, 39, 30, 21, 12}, bits: 9, kernel: 0xff00000000000000, large: 21},
}

// Bits of a page-table entry (_HARDWARE_PTE).
const (
	pteValid    = 1 << 0
	pteWrite    = 1 << 1
	pteUser     = 1 << 2
	pteAccessed = 1 << 5
	pteDirty    = 1 << 6
	pteLarge    = 1 << 7
	pteGlobal   = 1 << 8
	pteCopy     = 1 << 9 // _MMPTE_HARDWARE.CopyOnWrite, Windows' own

	pteNoExecute = 1 << 63 // of entries of 8 bytes

	pteTable      = pteValid | pteWrite | pteUser | pteAccessed | pteDirty
	pteKernelPage = pteValid | pteWrite | pteAccessed | pteDirty | pteGlobal
	pteUserPage   = pteValid | pteWrite | pteUser | pteAccessed | pteDirty
	pteUserShared = pteValid | pteUser | pteAccessed | pteCopy
)

// space is one set of page tables in a machine.
type space struct {
	*mode
	m   *machine
	top uint64 // physical address of the top table
}

// index returns the entry number of va in a table of the level at shift.
func (s *space) index(va uint64, shift uint) uint64 {
	bits := s.bits
	if s.entry == 8 && s.levels[0] == 30 && shift == 30 { // the PDPT of PAE
		bits = 2
	}
	return va >> shift & (1<<bits - 1)
}

// slot returns the physical address of the entry for va at the level of shift,
// making the tables above it.
func (s *space) slot(va uint64, shift uint) uint64 {
	table := s.top
	for _, at := range s.levels {
		pa := table + s.index(va, at)*uint64(s.entry)
		if at == shift {
			return pa
		}
		table = s.below(pa, at)
	}
	panic(buildError{fmt.Errorf("synth: no level of the page tables decides bit %d", shift)})
}

// below returns the table that the entry at pa points to, making it if need be.
func (s *space) below(pa uint64, shift uint) uint64 {
	e := s.m.entry(pa, s.entry)
	if e&pteValid == 0 {
		e = s.m.alloc()<<pageShift | s.tableBits(shift)
		s.m.setEntry(pa, s.entry, e)
	}
	return e & frameMask
}

// frameMask keeps the physical address of an entry.
const frameMask = 0x000ffffffffff000

// tableBits are the flags of an entry that points to a table. The PDPT entries
// of PAE have only the valid bit.
func (s *space) tableBits(shift uint) uint64 {
	if s.levels[0] == 30 && shift == 30 {
		return pteValid
	}
	return pteTable
}

// set writes the last-level entry of va.
func (s *space) set(va, entry uint64) { s.m.setEntry(s.slot(va, pageShift), s.entry, entry) }

// mapPage maps one page.
func (s *space) mapPage(va, pfn, flags uint64) { s.set(va, pfn<<pageShift|flags) }

// mapLarge maps one large page.
func (s *space) mapLarge(va, pfn uint64) {
	s.m.setEntry(s.slot(va, s.large), s.entry, pfn<<pageShift|pteKernelPage|pteLarge)
}

// resolve returns the physical address behind va, following valid entries.
func (s *space) resolve(va uint64) (uint64, bool) {
	table := s.top
	for _, at := range s.levels {
		e := s.m.entry(table+s.index(va, at)*uint64(s.entry), s.entry)
		if e&pteValid == 0 {
			return 0, false
		}
		if at == pageShift || at == s.large && e&pteLarge != 0 {
			return e&frameMask&^(1<<at-1) | va&(1<<at-1), true
		}
		table = e & frameMask
	}
	return 0, false
}

// write puts bytes at a mapped virtual address.
func (s *space) write(va uint64, p []byte) {
	for len(p) > 0 {
		n := min(len(p), int(pageSize-va%pageSize))
		pa, ok := s.resolve(va)
		if !ok {
			panic(buildError{fmt.Errorf("synth: %#x is not mapped", va)})
		}
		s.m.write(pa, p[:n])
		p, va = p[n:], va+uint64(n)
	}
}

// read gets n bytes from a mapped virtual address.
func (s *space) read(va uint64, n int) []byte {
	p := make([]byte, 0, n)
	for len(p) < n {
		pa, ok := s.resolve(va)
		if !ok {
			panic(buildError{fmt.Errorf("synth: %#x is not mapped", va)})
		}
		k := min(n-len(p), int(pageSize-va%pageSize))
		p, va = append(p, s.m.read(pa, k)...), va+uint64(k)
	}
	return p
}
