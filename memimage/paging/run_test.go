package paging

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"memlens/memimage/sparse"
)

// checkRuns compares the runs of addresses with the plain, slow way: each page's tables walked from the root. It looks
// at most at the given number of steps.
func checkRuns(t testing.TB, s *Space, from, to Virt, most int) {
	t.Helper()
	c, pages := s.Cursor(), s.Cursor()
	at := from
	for run, err := range c.Runs(from, to) {
		if run.VA != at || run.Len < 1 || run.Step < 1 || Virt(run.Len) > to-at {
			t.Fatalf("a run of %#x bytes in steps of %#x at %#x, want one at %#x", run.Len, run.Step, uint64(run.VA), uint64(at))
		}
		for end := at + Virt(run.Len); at < end; most-- {
			if most <= 0 {
				return
			}
			n := min(run.Step, int64(end-at))
			checkStep(t, s, at, n, int64(min(to-at, 1<<62)), run)
			checkCursor(t, s, pages, at)
			at += Virt(n)
		}
		if err != nil {
			if sparse.IsHole(err) || err != run.Err {
				t.Fatalf("at %#x: error %v of a run that says %v", uint64(at), err, run.Err)
			}
			return
		}
	}
	if at != to {
		t.Fatalf("the runs end at %#x, want %#x", uint64(at), uint64(to))
	}
}

// checkStep compares a step of a run with a probe.
func checkStep(t testing.TB, s *Space, at Virt, n, rest int64, run Run) {
	t.Helper()
	want, err := s.Window(at, rest).Probe(0)
	want = max(want, 1)
	first := at == run.VA
	if n != want || first && fmt.Sprint(run.Err) != fmt.Sprint(err) || !first && !sameReason(run.Err, err) {
		t.Fatalf("%s: at %#x of the run from %#x: %#x bytes, error %v\nprobing says %#x bytes, error %v", s.mode.Name, uint64(at), uint64(run.VA), n, run.Err, want, err)
	}
	if first && !reflect.DeepEqual(faultIn(run.Err), faultIn(err)) {
		t.Fatalf("at %#x: fault %+v, want %+v", uint64(at), faultIn(run.Err), faultIn(err))
	}
}

// sameReason reports whether the errors of two pages differ only in the address.
func sameReason(a, b error) bool {
	f, g := faultIn(a), faultIn(b)
	if f == nil || g == nil {
		return a == nil && b == nil
	}
	x := *f
	x.VA = g.VA
	return reflect.DeepEqual(x, *g)
}

func faultIn(err error) *FaultError {
	fault, _ := errors.AsType[*FaultError](err)
	return fault
}

// checkCursor compares a cursor's translation with the space's.
func checkCursor(t testing.TB, s *Space, c *Cursor, va Virt) {
	t.Helper()
	page, err := c.Translate(va)
	want, wantErr := s.Translate(va)
	if !reflect.DeepEqual(page, want) || !reflect.DeepEqual(err, wantErr) {
		t.Fatalf("%s: %#x is %+v, %v\nwant %+v, %v", s.mode.Name, uint64(va), page, err, want, wantErr)
	}
}

// bounded are descriptors of every second stretch of 64 KiB. Half of the descriptors have prototype entries.
type bounded struct{ backingFunc }

func (bounded) Unbacked(va Virt) Virt {
	if va>>16&3 == 1 {
		return va
	}
	return va&^0xffff + 0x10000
}

// described follows all sources, with descriptors that know how far they reach.
func described(s *Space, swap Swap) *Space {
	backing := backingFunc(func(va Virt) (Virt, bool) { return kernelVA(s.mode) + va>>12&0x1ff*8, va>>16&3 == 1 })
	return s.Follow(Sources{Kernel: s, Backing: bounded{backing}, Swap: swap})
}

// wild writes tables with entries of every kind at random: valid, large, in transition, for tables beyond the memory,
// for tables that lead back, and empty. Most neighbours are equal.
func wild(m *machine, rnd *rand.Rand) {
	for range 6 {
		m.slot(Virt(rnd.Uint64()>>(64-m.mode.VirtBits)), m.last())
	}
	m.set(kernelVA(m.mode), uint64(m.page(1))|entryValid)
	kinds := []uint64{0, 0, 0, entryValid, entryValid, m.mode.large(entryValid), softTransition, softPrototype, softPrototype | 0xffff<<32, softProtection, 3<<32 | 2<<1, 9<<32 | 1<<12 | 1<<4}
	for pa := m.root; pa < m.next; pa += Phys(m.mode.EntrySize) {
		if run := rnd.IntN(40); run > 0 {
			pa += Phys(run * m.mode.EntrySize)
			continue
		}
		kind := kinds[rnd.IntN(len(kinds))]
		for n := rnd.IntN(30); n >= 0 && pa < m.next; n-- {
			entry := kind
			if kind&(entryValid|softTransition) != 0 {
				entry |= uint64(rnd.IntN(int(m.next)+0x20000)) &^ 0xfff
			}
			m.put(pa, entry)
			pa += Phys(m.mode.EntrySize)
		}
	}
}

// TestRunsOfWildTables: in every mode, and for any tables, runs agree page by page with a walk from the root.
func TestRunsOfWildTables(t *testing.T) {
	for _, mode := range Modes() {
		t.Run(mode.Name, func(t *testing.T) {
			for seed := range uint64(12) {
				rnd := rand.New(rand.NewPCG(seed, uint64(mode.VirtBits)))
				m := newMachine(t, mode)
				wild(m, rnd)
				hole := sparse.Extent{Off: int64(m.root) + rnd.Int64N(int64(m.next-m.root)), Len: rnd.Int64N(0x2000)}
				r := m.reader(hole)
				for _, soft := range []*Soft{nil, softOf(mode), inverted()} {
					s := NewSpace(mode, sparse.NewCache(r, 8), m.root, soft)
					backing := backingFunc(func(va Virt) (Virt, bool) { return kernelVA(mode) + va>>12&0x1ff*8, va&0x3000 == 0 })
					all := s.Follow(Sources{Kernel: s, Backing: backing, Swap: PageFiles{r, nil, r}})
					for _, s := range []*Space{s, all, described(s, PageFiles{r, nil, r}), NewSpace(mode, r, m.root, soft)} {
						at := mode.Canonicalize(Virt(rnd.Uint64()))
						checkRuns(t, s, 0, Virt(mode.UserSpace()), 150)
						checkRuns(t, s, at, at+min(^at, 0x800000), 150)
					}
				}
			}
		})
	}
}

// TestRunsOfLoops: tables that map themselves, whole or beside others, lead to the same pages again and again.
func TestRunsOfLoops(t *testing.T) {
	for _, mode := range Modes() {
		m := newMachine(t, mode)
		m.set(leafVA, uint64(m.page(1))|entryValid)
		root := mode.Levels[0]
		m.put(m.root+Phys(1*mode.EntrySize), uint64(m.root)|entryValid)
		s := m.space(softOf(mode))
		checkRuns(t, s, 0, Virt(mode.UserSpace()), 1500)
		checkRuns(t, s, 1<<root.Shift, 3<<root.Shift, 1500)
		for i := range 1 << root.Bits {
			m.put(m.root+Phys(i*mode.EntrySize), uint64(m.root)|entryValid)
		}
		checkRuns(t, m.space(nil), 0x1000, Virt(mode.UserSpace()), 1500)
	}
}

// TestRunsAtTheEdges: runs end where addresses end, and skip addresses that are not canonical.
func TestRunsAtTheEdges(t *testing.T) {
	for _, mode := range Modes() {
		for _, pages := range [][]Virt{edges(mode), {leafVA}} {
			m := newMachine(t, mode)
			for _, va := range pages {
				m.set(va, uint64(m.page(1))|entryValid)
			}
			s := m.space(softOf(mode))
			checkRuns(t, s, 0, mode.top(), 5000)
			for _, va := range edges(mode) {
				from := va - min(va, 1<<31)
				checkRuns(t, s, from, from+min(mode.top()-from, 1<<33), 1500)
			}
		}
	}
}

// TestRunsOfDamage: a table that cannot be read gives the same error as in a walk from the root, and ends the runs if
// that was a fault of the disk. It is read again at the next request.
func TestRunsOfDamage(t *testing.T) {
	broken := errors.New("input/output error")
	for _, mode := range Modes() {
		m := newMachine(t, mode)
		m.set(leafVA, uint64(m.page(1))|entryValid)
		for level := range mode.Levels {
			bad := int64(m.slot(leafVA, level)) &^ 0xfff
			checkRuns(t, NewSpace(mode, m.reader(sparse.Extent{Off: bad, Len: 0x1000}), m.root, softOf(mode)), 0, 1<<31, 1500)
			checkRuns(t, NewSpace(mode, m.reader(sparse.Extent{Off: bad + 0x40, Len: 0x23}), m.root, softOf(mode)), 0, 1<<31, 1500)
			src := &healing{Source: sourceOf(m.mem), bad: failing{sourceOf(m.mem), bad, broken}}
			c := NewSpace(mode, sparse.NewCache(src, 8), m.root, softOf(mode)).Cursor()
			for _, err := range c.Runs(leafVA, leafVA+0x1000) {
				if !errors.Is(err, broken) {
					t.Errorf("%s, table of level %d: error %v", mode.Name, level, err)
				}
			}
			src.healed = true
			if page, err := c.Translate(leafVA); err != nil || page.State != Valid {
				t.Errorf("%s, table of level %d, when it can be read: %+v, %v", mode.Name, level, page, err)
			}
		}
	}
}

// healing is a source that fails until it is healed.
type healing struct {
	sparse.Source
	bad    failing
	healed bool
}

func (h *healing) ReadAt(p []byte, off int64) (int, error) {
	if h.healed {
		return h.Source.ReadAt(p, off)
	}
	return h.bad.ReadAt(p, off)
}

// TestRunsOfADump: the memory of one process has no tables.
func TestRunsOfADump(t *testing.T) {
	m := newMachine(t, X64)
	s := NewDumpedSpace(X64, m.reader(sparse.Extent{Off: 0x4000, Len: 0x3000}, sparse.Extent{Off: 0x9100, Len: 0x80}))
	checkRuns(t, s, 0, Virt(X64.UserSpace()), 1500)
}

// TestRunsAreLong: addresses of one state come in one run.
func TestRunsAreLong(t *testing.T) {
	m := newMachine(t, X64)
	for i := range Virt(100) {
		m.set(0x400000+i*pageSize, uint64(m.page(1))|entryValid)
	}
	var got []string
	for run := range m.space(softX64).Cursor().Runs(0x3ff000, 0x600000) {
		got = append(got, fmt.Sprintf("%#x+%#x/%#x %v", uint64(run.VA), run.Len, run.Step, run.Err == nil))
	}
	if want := "[0x3ff000+0x1000/0x1000 false 0x400000+0x64000/0x1000 true 0x464000+0x19c000/0x1000 false]"; fmt.Sprint(got) != want {
		t.Errorf("runs %v\nwant %s", got, want)
	}
}

// BenchmarkRuns walks 512 MiB with 1 MiB mapped, a table at a time and, to compare, a page at a time.
func BenchmarkRuns(b *testing.B) {
	for _, mode := range Modes() {
		s, base := benchSpace(b, mode)
		b.Run(mode.Name+"/runs", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, err := range s.Cursor().Runs(base&^0x3fffff, base+512<<20) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
		b.Run(mode.Name+"/probes", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := s.Window(base&^0x3fffff, 512<<20)
				for off := int64(0); off < w.Size(); {
					n, _ := w.Probe(off)
					off += max(n, 1)
				}
			}
		})
	}
}
