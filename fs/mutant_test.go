package fs_test

import (
	"bytes"
	"encoding/binary"
	"io"
	iofs "io/fs"
	"math/rand/v2"

	"memlens/memimage/format"
)

const pageSize = 4096

// mutant is a memory that differs from a sound one in some pages. It is a file of its own.
type mutant struct {
	base  []byte
	pages map[int64][]byte // by offset
}

func newMutant(base []byte) *mutant { return &mutant{base, map[int64][]byte{}} }

// page returns a page to be changed.
func (m *mutant) page(off int64) []byte {
	off &^= pageSize - 1
	p, ok := m.pages[off]
	if !ok {
		p = bytes.Clone(m.base[off : off+pageSize])
		m.pages[off] = p
	}
	return p
}

// at returns up to n bytes at off, to be changed; fewer at the end of a page.
func (m *mutant) at(off int64, n int) []byte {
	p := m.page(off)[off%pageSize:]
	return p[:min(n, len(p))]
}

// word reads a number of size bytes.
func (m *mutant) word(off int64, size int) uint64 {
	var b [8]byte
	m.ReadAt(b[:size], off)
	return binary.LittleEndian.Uint64(b[:])
}

// setWord writes a number of size bytes.
func (m *mutant) setWord(off int64, size int, v uint64) {
	copy(m.at(off, size), binary.LittleEndian.AppendUint64(nil, v)[:size])
}

// Size implements [format.Source].
func (m *mutant) Size() int64 { return int64(len(m.base)) }

// Probe implements [format.Source]: all is there.
func (m *mutant) Probe(off int64) (int64, error) {
	if off >= m.Size() {
		return 0, io.EOF
	}
	return m.Size() - off, nil
}

// ReadAt implements [format.Source].
func (m *mutant) ReadAt(p []byte, off int64) (int, error) {
	if off >= m.Size() {
		return 0, io.EOF
	}
	n := copy(p, m.base[off:])
	for at := off &^ (pageSize - 1); at < off+int64(n); at += pageSize {
		page, ok := m.pages[at]
		switch {
		case ok && at < off:
			copy(p[:n], page[off-at:])
		case ok:
			copy(p[at-off:n], page)
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (*mutant) Name() string                         { return "mutant.raw" }
func (*mutant) Beside(string) (format.Source, error) { return nil, iofs.ErrNotExist }
func (*mutant) Names() ([]string, error)             { return []string{"mutant.raw"}, nil }

// place is where a structure lies that is worth damaging.
type place struct {
	kind string
	off  int64
	size int64
}

// mutations change a structure, as a rootkit, a smear between two moments, a bad copy or an attacker would.
var mutations = []func(m *mutant, s *subject, p place, rng *rand.Rand){
	changePointer, changePointer, changePointer, stealPointer, stealPointer, changeSize, changeSize,
	nudge, nudge, flipBit, scramble, zeroPage, copyPage, swapPages,
}

// wild are numbers that overflow, or that are at an edge.
var wild = []uint64{0, 1, 2, 0xff, 0xffff, 0x1000, 0x10000, 0x7fffffff, 0x80000000, 0xfffffe00, 0xfffffff0, 0xffffffff,
	1 << 32, 1<<47 - 8, 1 << 47, 1<<52 - 1, 1 << 62, 1<<63 - 1, 1 << 63, 1<<64 - 4096, 1<<64 - 8, 1<<64 - 1}

// mutate makes from one to some changes.
func mutate(m *mutant, s *subject, rng *rand.Rand) {
	for range 1 + rng.IntN(4)*rng.IntN(4) {
		mutations[rng.IntN(len(mutations))](m, s, s.somewhere(rng), rng)
	}
}

// used returns the offset of a number in the structure that is not zero, where there is one.
func (p place) used(m *mutant, size int, rng *rand.Rand) int64 {
	off := int64(0)
	for range 32 {
		off = p.off + rng.Int64N(max(p.size/int64(size), 1))*int64(size)
		if m.word(off, size) != 0 {
			break
		}
	}
	return off
}

// changePointer puts a pointer of some structure in another's place: lists run into each other, or into themselves.
func changePointer(m *mutant, s *subject, p place, rng *rand.Rand) {
	from := s.somewhere(rng)
	m.setWord(p.used(m, s.pointer, rng), s.pointer, m.word(from.used(m, s.pointer, rng), s.pointer))
}

// stealPointer takes the pointer that another structure of the kind has in the same place: lists and trees have loops.
func stealPointer(m *mutant, s *subject, p place, rng *rand.Rand) {
	same := s.byKind[p.kind]
	from := same[rng.IntN(len(same))]
	off := p.used(m, s.pointer, rng)
	if there := from.off + off - p.off; there+int64(s.pointer) <= m.Size() {
		m.setWord(off, s.pointer, m.word(there, s.pointer))
	}
}

func changeSize(m *mutant, _ *subject, p place, rng *rand.Rand) {
	size := 1 << rng.IntN(4)
	m.setWord(p.used(m, size, rng), size, wild[rng.IntN(len(wild))])
}

// nudge adds a little to a number, or takes it away.
func nudge(m *mutant, s *subject, p place, rng *rand.Rand) {
	size := []int{2, 4, s.pointer}[rng.IntN(3)]
	off := p.used(m, size, rng)
	steps := []uint64{1, 2, 4, 8, 16, 0x1000, 0x200000}
	step := steps[rng.IntN(len(steps))]
	if rng.IntN(2) == 0 {
		step = -step
	}
	m.setWord(off, size, m.word(off, size)+step)
}

func flipBit(m *mutant, s *subject, p place, rng *rand.Rand) {
	off := p.used(m, s.pointer, rng)
	m.setWord(off, s.pointer, m.word(off, s.pointer)^1<<rng.IntN(8*s.pointer))
}

func scramble(m *mutant, s *subject, p place, rng *rand.Rand) {
	b := m.at(p.used(m, s.pointer, rng), 1+rng.IntN(64))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
}

func zeroPage(m *mutant, _ *subject, p place, _ *rand.Rand) { clear(m.page(p.off)) }

func copyPage(m *mutant, s *subject, p place, rng *rand.Rand) {
	copy(m.page(p.off), m.page(s.somewhere(rng).off))
}

func swapPages(m *mutant, s *subject, p place, rng *rand.Rand) {
	exchange(m.page(p.off), m.page(s.somewhere(rng).off))
}

func exchange(a, b []byte) {
	kept := bytes.Clone(a)
	copy(a, b)
	copy(b, kept)
}
