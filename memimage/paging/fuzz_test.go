package paging

import (
	"encoding/binary"
	"errors"
	"testing"

	"memlens/memimage/sparse"
)

// FuzzTables takes any bytes for a memory of 64 KiB with a hole, and walks them in one of the modes. Nothing may panic
// or go on for ever, a probe must agree with a read, and nothing outside of the memory may be read.
func FuzzTables(f *testing.F) {
	for number, mode := range Modes() {
		m := newMachine(f, mode)
		m.root, m.next = 0, 0x1000
		for i, entry := range []uint64{entryValid | 0x9000, softTransition | 0x9000, softPrototype | 0x123<<32, softProtection, 3<<32 | softProtection, entryValid | 0x70000} {
			m.set(leafVA+Virt(i)*pageSize, entry)
		}
		for which := range fuzzSpaces {
			f.Add(m.mem[:0x5000], uint64(leafVA), uint16(0x9800), uint16(0x400), byte(number*fuzzSpaces+which))
		}
		m.put(m.slot(leafVA, len(mode.Levels)-2), entryValid|entryLarge)
		f.Add(m.mem[:0x5000], uint64(leafVA&^0x3ff), uint16(0), uint16(0x1000), byte(number*fuzzSpaces+3))
		loop := binary.LittleEndian.AppendUint64(nil, entryValid|uint64(mode.EntrySize&4)*entryValid<<32) // every entry leads back to the root
		f.Add(loop, edgesOf(mode), uint16(1), uint16(1), byte(number*fuzzSpaces+4))
	}
	f.Fuzz(func(t *testing.T, tables []byte, at uint64, hole, holeLen uint16, which byte) {
		mem := make([]byte, 0x10000)
		for n := copy(mem, tables); n > 0 && n < 0x1000; n *= 2 {
			copy(mem[n:0x1000], mem[:n])
		}
		src := sourceOf(mem)
		cut := int64(hole)
		rest := min(cut+int64(holeLen), int64(len(mem)))
		r, err := sparse.NewReader(int64(len(mem)), sparse.Extent{Len: cut, Src: src}, sparse.Extent{Off: rest, Len: int64(len(mem)) - rest, Src: src, SrcOff: rest})
		if err != nil {
			t.Fatal(err)
		}
		mode := Modes()[int(which)/fuzzSpaces%len(Modes())]
		fuzzSpace(t, fuzzedSpace(mode, r, int(which)%fuzzSpaces), Virt(at))
	})
}

// fuzzSpaces is the number of different address spaces for a memory in a mode.
const fuzzSpaces = 5

// fuzzedSpace returns one of these spaces: the page tables alone, or either form of software entries, followed or not.
func fuzzedSpace(mode *Mode, r *sparse.Reader, which int) *Space {
	soft := []*Soft{nil, softOf(mode), inverted(), softOf(mode), inverted()}[which]
	s := NewSpace(mode, sparse.NewCache(r, 8), 0, soft)
	if which < 3 {
		return s
	}
	backing := backingFunc(func(va Virt) (Virt, bool) { return va &^ 0xfff * 7, va&0x1000 == 0 }) // of pages, as descriptors know them
	return s.Follow(Sources{Kernel: s, Backing: backing, Swap: PageFiles{r, nil, r}})
}

func edgesOf(m *Mode) uint64 { return uint64(edges(m)[2]) }

func fuzzSpace(t *testing.T, s *Space, at Virt) {
	at = s.mode.Canonicalize(at)
	checkReadsAgree(t, s.Window(at, 0x6000))
	checkReadsAgree(t, s.Window(at|0xfffffffffffff000, 0x2000))
	checkRuns(t, s, at, at+min(^at, 0x40000), 0x41)
	checkRuns(t, described(s, s.swap), at, at+min(^at, 0x40000), 0x41)
	checkRuns(t, s, 0, s.mode.top(), 0x100)
	n := 0
	for page, err := range s.Pages(at, at+0x20000) {
		if n++; n > 0x21 {
			t.Fatalf("%d pages in 128 KiB", n)
		}
		var fault *FaultError
		switch {
		case err != nil && (!errors.As(err, &fault) || fault.Size < 1 || fault.Reason() == ""):
			t.Fatalf("fault %+v", err)
		case err == nil && (page.Size < pageSize || page.Off < 0 || page.VA&(Virt(page.Size)-1) != 0):
			t.Fatalf("page %+v", page)
		}
	}
}
