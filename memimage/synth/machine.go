package synth

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

const (
	pageSize  = 4096
	pageShift = 12
)

// machine is physical memory while it is being built: the frames that hold something, by page frame number. Frames
// are handed out scattered over all of memory, as on a machine that has run for a while, so that pages that are
// neighbours in virtual memory are not neighbours in physical memory.
type machine struct {
	pages  uint64 // number of frames
	lowest uint64 // first frame that alloc hands out
	gap    uint64 // first frame of the hole below 4 GiB; 0: no hole
	frames map[uint64]*[pageSize]byte
	rng    *rand.Rand
}

// The holes that a PC's memory has for video memory and firmware, in frames.
const (
	holeStart = 0x9f
	holeEnd   = 0x100
	gapEnd    = 4 << 30 >> pageShift // of the hole below 4 GiB, on machines that have one
)

func newMachine(ram int64, lowest uint64, seed uint64) *machine {
	return &machine{
		pages:  uint64(ram) >> pageShift,
		lowest: max(lowest, 1),
		frames: make(map[uint64]*[pageSize]byte),
		rng:    rand.New(rand.NewPCG(seed, 0x6d656d6c656e73)),
	}
}

// free says whether a frame can be handed out.
func (m *machine) free(pfn uint64) bool {
	if m.gap > 0 && pfn >= m.gap && pfn < gapEnd {
		return false
	}
	if pfn < m.lowest || pfn >= m.pages || pfn >= holeStart && pfn < holeEnd {
		return false
	}
	_, used := m.frames[pfn]
	return !used
}

// alloc hands out a zeroed frame.
func (m *machine) alloc() uint64 {
	span := m.pages - m.lowest
	for range 64 {
		if pfn := m.lowest + m.rng.Uint64N(span); m.free(pfn) {
			return m.claim(pfn)
		}
	}
	return m.firstFree()
}

func (m *machine) firstFree() uint64 {
	for pfn := m.lowest; pfn < m.pages; pfn++ {
		if m.free(pfn) {
			return m.claim(pfn)
		}
	}
	panic(outOfMemory(m.pages)) // recovered in Build
}

// allocBelow hands out a frame under a limit: PAE keeps its page directory
// pointers in the first 4 GiB.
func (m *machine) allocBelow(limit uint64) uint64 {
	pages := m.pages
	m.pages = min(pages, limit)
	defer func() { m.pages = pages }()
	return m.alloc()
}

// allocRun hands out n consecutive frames, the first a multiple of align.
func (m *machine) allocRun(n, align uint64) uint64 {
	start := max(m.lowest, holeEnd)
	for pfn := (start + align - 1) / align * align; pfn+n <= m.pages; pfn += align {
		if m.runFree(pfn, n) {
			for i := range n {
				m.claim(pfn + i)
			}
			return pfn
		}
	}
	panic(outOfMemory(m.pages))
}

func (m *machine) runFree(pfn, n uint64) bool {
	for i := range n {
		if !m.free(pfn + i) {
			return false
		}
	}
	return true
}

// claim marks a frame as used; its bytes come into being with the first write.
func (m *machine) claim(pfn uint64) uint64 {
	m.frames[pfn] = nil
	return pfn
}

// frame returns the bytes of a frame, to write to.
func (m *machine) frame(pfn uint64) []byte {
	f := m.frames[pfn]
	if f == nil {
		f = new([pageSize]byte)
		m.frames[pfn] = f
	}
	return f[:]
}

// write puts bytes at a physical address; they may cross pages.
func (m *machine) write(pa uint64, p []byte) {
	for len(p) > 0 {
		n := copy(m.frame(pa >> pageShift)[pa%pageSize:], p)
		p, pa = p[n:], pa+uint64(n)
	}
}

// read gets n bytes from a physical address.
func (m *machine) read(pa uint64, n int) []byte {
	p := make([]byte, n)
	for got := 0; got < n; {
		a := pa + uint64(got)
		if f := m.frames[a>>pageShift]; f != nil {
			got += copy(p[got:], f[a%pageSize:])
			continue
		}
		got += int(pageSize - a%pageSize)
	}
	return p
}

// entry reads a page-table entry of size bytes (4 or 8).
func (m *machine) entry(pa uint64, size int) uint64 {
	p := m.read(pa, size)
	if size == 4 {
		return uint64(binary.LittleEndian.Uint32(p))
	}
	return binary.LittleEndian.Uint64(p)
}

// setEntry writes a page-table entry of size bytes (4 or 8).
func (m *machine) setEntry(pa uint64, size int, v uint64) {
	m.write(pa, binary.LittleEndian.AppendUint64(nil, v)[:size])
}

// buildError is the panic value of the builder when a System cannot be built; Build turns it into an error.
type buildError struct{ error }

func outOfMemory(pages uint64) buildError {
	return buildError{fmt.Errorf("synth: no free frame left in %d MiB of memory: give the System more RAM", pages*pageSize>>20)}
}
