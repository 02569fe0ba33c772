package paging

import (
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"memlens/memimage/sparse"
)

// machine is a small physical memory with page tables written by hand.
type machine struct {
	t    testing.TB
	mode *Mode
	mem  []byte
	next Phys
	root Phys
}

const machineSize = 2 << 20

// Bits of valid entries: of x86 processors valid, writable and PS; of ARM64 valid and table, or page.
const (
	entryValid = 1<<0 | 1<<1
	entryLarge = 1 << 7
)

// large turns a valid entry into an entry of a large page: ARM64 calls it a block.
func (m *Mode) large(entry uint64) uint64 {
	if m == ARM64 {
		return entry &^ 2
	}
	return entry | entryLarge
}

func newMachine(t testing.TB, mode *Mode) *machine {
	m := &machine{t: t, mode: mode, mem: make([]byte, machineSize), next: 0x10000}
	m.root = m.alloc()
	return m
}

// alloc hands out a page of zeros.
func (m *machine) alloc() Phys {
	pa := m.next
	m.next += pageSize
	if int(m.next) > len(m.mem) {
		m.t.Fatal("the machine's memory is used up")
	}
	return pa
}

// page hands out a page filled with a byte.
func (m *machine) page(fill byte) Phys {
	pa := m.alloc()
	m.fill(pa, pageSize, fill)
	return pa
}

func (m *machine) fill(pa Phys, n int, b byte) {
	for i := range n {
		m.mem[int(pa)+i] = b
	}
}

// entry reads an entry, put writes one.
func (m *machine) entry(pa Phys) uint64 {
	var b [8]byte
	copy(b[:m.mode.EntrySize], m.mem[pa:])
	return binary.LittleEndian.Uint64(b[:])
}

func (m *machine) put(pa Phys, entry uint64) {
	copy(m.mem[pa:int(pa)+m.mode.EntrySize], binary.LittleEndian.AppendUint64(nil, entry))
}

// slot returns the physical address of va's entry at a level, with valid tables above it.
func (m *machine) slot(va Virt, level int) Phys {
	table := m.root
	for i, l := range m.mode.Levels {
		pa := table + Phys(m.mode.index(l, va))
		if i == level {
			return pa
		}
		if m.entry(pa)&entryValid == 0 {
			m.put(pa, uint64(m.alloc())|entryValid)
		}
		table = m.mode.frame(m.entry(pa), 12)
	}
	m.t.Fatalf("%s has no level %d", m.mode.Name, level)
	return 0
}

func (m *machine) last() int { return len(m.mode.Levels) - 1 }

// set writes the last entry of va.
func (m *machine) set(va Virt, entry uint64) { m.put(m.slot(va, m.last()), entry) }

// reader is the machine's memory with holes.
func (m *machine) reader(holes ...sparse.Extent) *sparse.Reader {
	var extents []sparse.Extent
	at := int64(0)
	src := sourceOf(m.mem)
	for _, h := range append(holes, sparse.Extent{Off: int64(len(m.mem))}) {
		extents = append(extents, sparse.Extent{Off: at, Len: h.Off - at, Src: src, SrcOff: at})
		at = h.Off + h.Len
	}
	r, err := sparse.NewReader(int64(len(m.mem)), extents...)
	if err != nil {
		m.t.Fatal(err)
	}
	return r
}

// sourceOf is a reader of bytes that, unlike bytes.Reader, has no state to copy.
func sourceOf(b []byte) sparse.Source { return source(string(b)) }

type source string

func (s source) Size() int64 { return int64(len(s)) }

func (s source) Probe(off int64) (int64, error) {
	if off >= s.Size() {
		return 0, io.EOF
	}
	return s.Size() - off, nil
}

func (s source) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(s)) {
		return 0, io.EOF
	}
	n := copy(p, s[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (m *machine) space(soft *Soft) *Space {
	return NewSpace(m.mode, sparse.NewCache(m.reader(), 64), m.root, soft)
}

// byteAt reads one byte; the test fails when that is not there.
func byteAt(t testing.TB, s *Space, va Virt) byte {
	t.Helper()
	var b [1]byte
	if _, err := s.ReadVirt(b[:], va); err != nil {
		t.Fatalf("reading %#x: %v", va, err)
	}
	return b[0]
}

// faultAt returns why va cannot be read.
func faultAt(t testing.TB, s *Space, va Virt) *FaultError {
	t.Helper()
	page, err := s.Translate(va)
	var fault *FaultError
	if !errors.As(err, &fault) {
		t.Fatalf("translating %#x: page %+v, error %v, want a fault", va, page, err)
	}
	if fault.VA != va || fault.Size < 1 {
		t.Fatalf("the fault at %#x is one of %#x bytes at %#x", va, fault.Size, fault.VA)
	}
	return fault
}

// The software entries of the kernels: x86 since Windows Vista, PAE, x64 up to Windows 10 1709, and later x64.
var (
	softX86 = &Soft{Transition: Bits{11, 1}, Prototype: Bits{10, 1}, PFN: Bits{12, 20}, FileNumber: Bits{1, 4}, FileOffset: Bits{12, 20},
		Proto: func(e uint64) (Virt, bool) { return Virt(e<<1&0x3fc|e>>1&0x7ffffc00) | 0x80000000, true }}
	softPAE = &Soft{Transition: Bits{11, 1}, Prototype: Bits{10, 1}, PFN: Bits{12, 26}, FileNumber: Bits{1, 4}, FileOffset: Bits{32, 32},
		Proto: func(e uint64) (Virt, bool) { return Virt(e >> 32), true }}
	softX64 = &Soft{Transition: Bits{11, 1}, Prototype: Bits{10, 1}, PFN: Bits{12, 36}, FileNumber: Bits{1, 4}, FileOffset: Bits{32, 32},
		Proto: func(e uint64) (Virt, bool) { return Virt(int64(e) >> 16), true }}
	softWin10 = &Soft{Transition: Bits{11, 1}, Prototype: Bits{10, 1}, PFN: Bits{12, 24}, FileNumber: Bits{12, 4}, FileOffset: Bits{32, 32},
		InStore: Bits{3, 1}, Swizzle: Bits{4, 1}, Proto: softX64.Proto}
)

func softOf(m *Mode) *Soft {
	switch m {
	case X86:
		return softX86
	case PAE:
		return softPAE
	}
	return softX64
}

const (
	softTransition = 1 << 11
	softPrototype  = 1 << 10
	softProtection = 4 << 5
)

// kernelVA is the address in the kernel's half at which the tests put prototype entries.
func kernelVA(m *Mode) Virt {
	if !m.Signed {
		return 0xe1003000
	}
	return 0xfffff8a000003000
}
