package nt

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/synth/corpus"
)

// The search looks at memory by fours. The functions below do the same one by one, in the plain way.

// plainShapes returns the candidates for root tables in a page.
func plainShapes(p []byte, pa paging.Phys) []candidate {
	var out []candidate
	for _, m := range paging.Modes() {
		if m.Root.FourPointers {
			for off := 0; off < pageSize; off += 32 {
				if fourPointers(p[off : off+32]) {
					out = append(out, candidate{m, pa + paging.Phys(off), m.Root.Name})
				}
			}
		}
	}
	for _, size := range []int{4, 8} {
		out = append(out, plainSelf(p, pa, size)...)
	}
	return out
}

// plainSelf returns the modes, with entries of a size, in which the page's first entry that maps the page makes it a
// root table.
func plainSelf(p []byte, pa paging.Phys, size int) (out []candidate) {
	for i := 0; i < pageSize/size && len(out) == 0 && pa != 0; i++ {
		for _, m := range paging.Modes() {
			if m.EntrySize != size || i < m.Root.SelfFirst || i >= m.Root.SelfEnd {
				continue
			}
			frame := paging.X64.RootMask
			if size == 4 {
				frame = m.RootMask
			}
			if e := entryAt(p, i, size); e&frame == uint64(pa) && e&m.Root.SelfMask == m.Root.Self {
				out = append(out, candidate{m, pa, m.Root.Name + " that maps itself"})
			}
		}
	}
	return out
}

// plainLook is look without the steps that make it quick.
func plainLook(s *systemSearch, p []byte, pa paging.Phys) []systemHit {
	var out []systemHit
	for _, arch := range paging.Archs() {
		for off := 0; off < len(p); off += 2 * arch.Pointer {
			for _, o := range s.outlines[arch] {
				r, size := record{p[off:], arch.Pointer}, profile.Offset(arch.Pointer)
				if p[off]&0x7f == processObject && (r.ptr(o.pid) == systemID || r.name(o.name) == "System") && inKernelSpace(arch, r.ptr(o.links)) && inKernelSpace(arch, r.ptr(o.links+size)) {
					out = append(out, systemHit{pa + paging.Phys(off), o})
				}
			}
		}
	}
	return out
}

// roughPage fills a page with words that nearly make a root table: they share bits with one.
func roughPage(r *rand.Rand, page []byte, pa paging.Phys) {
	clear(page)
	words := []uint64{0, 1, uint64(pa) | 1, uint64(pa) | 0x63, uint64(pa) | 0x403, uint64(pa) | 0x81, uint64(pa)<<32 | uint64(pa) | 0x67, 0x1001, 0x2001, 0x3821, 0x1041, ^uint64(0)}
	for range r.IntN(200) {
		at := r.IntN(pageSize/8) * 8
		binary.LittleEndian.PutUint64(page[at:], words[r.IntN(len(words))]^uint64(1<<r.IntN(64)*r.IntN(2)))
	}
	for range r.IntN(3) {
		at := r.IntN(pageSize/32) * 32
		for i := range 4 {
			binary.LittleEndian.PutUint64(page[at+8*i:], uint64(r.IntN(6))<<12|1|uint64(r.IntN(2))<<5)
		}
	}
}

// TestShapesByFours compares looking for root tables with the plain way, on pages of every kind.
func TestShapesByFours(t *testing.T) {
	corpus.Long(t)
	r := rand.New(rand.NewPCG(7, 7))
	shapes := shapes()
	page := make([]byte, pageSize)
	found := map[string]int{}
	for n := range 30000 {
		pa := paging.Phys(r.Uint64N(1<<uint(13+r.IntN(40)))) &^ (pageSize - 1)
		if roughPage(r, page, pa); n%7 == 0 {
			fillWith(page, r.Uint64)
		}
		var got []candidate
		for _, s := range shapes {
			got = s(got, page, pa)
		}
		want := plainShapes(page, pa)
		for _, c := range want {
			found[c.mode.Name]++
		}
		sortCandidates(got)
		if sortCandidates(want); !slices.Equal(got, want) {
			t.Fatalf("page %d at %#x: %v, want %v", n, uint64(pa), got, want)
		}
	}
	for _, m := range paging.Modes() {
		if found[m.Name] < 10 {
			t.Errorf("%s: %d pages were tried that are one", m.Name, found[m.Name])
		}
	}
}

func sortCandidates(list []candidate) {
	slices.SortStableFunc(list, func(a, b candidate) int {
		if a.mode != b.mode {
			return slices.Index(paging.Modes(), a.mode) - slices.Index(paging.Modes(), b.mode)
		}
		return int(int64(a.dtb) - int64(b.dtb))
	})
}

// TestLookByFours compares the search for the System process with the plain way, on chunks of every length with a
// process like System that differs in a byte.
func TestLookByFours(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	f := &finder{options: Options{Profiles: profile.Builtin()}}
	s := &systemSearch{f: f, outlines: f.outlines()}
	hits := 0
	for n := range 400 {
		p := make([]byte, (1+r.IntN(4))*pageSize)
		if n%2 == 0 {
			fillWith(p, r.Uint64)
		}
		for range 6 {
			putSystem(r, s, p)
		}
		got, want := s.look(p, 0x10000), plainLook(s, p, 0x10000)
		if hits += len(want); !slices.Equal(got, want) {
			t.Fatalf("chunk %d: %d places, want %d", n, len(got), len(want))
		}
	}
	if hits < 200 {
		t.Errorf("only %d places were tried that are one", hits)
	}
}

// putSystem puts a process that looks like System somewhere, at times with a changed byte.
func putSystem(r *rand.Rand, s *systemSearch, p []byte) {
	arch := paging.Archs()[r.IntN(2)]
	o := s.outlines[arch][r.IntN(len(s.outlines[arch]))]
	at := r.IntN(len(p)/16) * 16
	put := func(off int64, b []byte) {
		if off += int64(at); off < int64(len(p)) {
			copy(p[off:], b)
		}
	}
	word := func(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v)[:arch.Pointer] }
	put(0, []byte{processObject | byte(r.IntN(2))<<7})
	put(int64(o.links), slices.Concat(word(0xfffff80080001000), word(0xfffff80090001000)))
	put(int64(o.pid), word([]uint64{systemID, 5}[r.IntN(2)]))
	put(o.name.Offset, []byte([]string{"System\x00", "Systems\x00", "Syste\x00", "System"}[r.IntN(4)]))
	if arch.Pointer == 4 {
		put(int64(o.links), slices.Concat(word(0x80001000), word(0x90001000)))
	}
	if r.IntN(4) == 0 {
		p[r.IntN(len(p))] ^= byte(1 << r.IntN(8))
	}
}
