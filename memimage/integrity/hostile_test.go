package integrity

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"memlens/memimage/sparse"
)

// broken is a page that the disk fails to read.
type broken struct{}

func (broken) Size() int64 { return pageSize }
func (broken) ReadAt([]byte, int64) (int, error) {
	return 0, &sparse.ReadError{Err: errors.New("the disk")}
}
func (broken) Probe(int64) (int64, error) { return 1, &sparse.ReadError{Err: errors.New("the disk")} }

// TestFailedReadsAreErrors lets the disk fail at each page of the file and of the process: a failed read is never taken
// for a missing page, nor for a difference.
func TestFailedReadsAreErrors(t *testing.T) {
	p := loadProgram(t, "testdata/library32.dll", false, 0x120000)
	s := windows(false)
	p.start(s)
	failed := 0
	for rva := uint32(0); rva < uint32(p.Size); rva += pageSize {
		for _, which := range []string{"file", "own"} {
			in := p.input(s, seen{private: true})
			file, own := in.File, in.Memory
			in.File = func(at uint32) (Page, error) {
				if at == rva && which == "file" {
					return Page{Src: broken{}}, nil
				}
				return file(at)
			}
			in.Memory = func(at uint32) (Page, error) {
				if at == rva && which == "own" {
					return Page{Src: broken{}}, nil
				}
				return own(at)
			}
			if _, err := Compare(in); sparse.Failed(err) {
				failed++
			} else {
				t.Errorf("%s page at %#x: %v", which, rva, err)
			}
		}
	}
	t.Logf("%d failures", failed)
}

// TestMissingPages removes pages: nothing is made up, and each missing page is counted with its reason.
func TestMissingPages(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		p := loadProgram(t, samples[int(seed)%len(samples)], seed%3 > 0, []uint64{0, 0x120000, 0x3450000}[seed%3])
		s := windows(p.Plus)
		p.start(s)
		gone := map[[2]int64]bool{}
		for rva := int64(0); rva < p.Size; rva += pageSize {
			gone[[2]int64{0, rva}], gone[[2]int64{1, rva}] = rng.IntN(3) == 0, rng.IntN(4) == 0
		}
		r := run(t, p.input(s, seen{
			private: true, cached: seed%2 == 0,
			section: func(rva int64) bool { return !gone[[2]int64{0, rva}] }, own: func(rva int64) bool { return !gone[[2]int64{1, rva}] },
		}))
		if r.Verdict.Code != Equal && r.Verdict.Code != Unknown {
			t.Errorf("seed %d: %s", seed, list(r))
		}
		n := r.Comparable()
		for _, m := range r.NotCompared {
			n += m.Pages
		}
		if n != r.Pages {
			t.Errorf("seed %d: %d of %d pages are accounted for", seed, n, r.Pages)
		}
	}
}

// garble fills a program's headers and tables with nonsense, in the file or in memory.
func garble(p *program, rng *rand.Rand) {
	for range 1 + rng.IntN(12) {
		write := p.WriteShared
		if rng.IntN(2) == 0 {
			write = p.Write
		}
		at := []int64{60, p.BaseAt() - 24 + int64(rng.IntN(240)), 0x180 + int64(rng.IntN(0x200)), int64(rng.IntN(int(p.Size)))}[rng.IntN(4)]
		if d := p.Dirs[[]int{0, 1, 5, 10, 13}[rng.IntN(5)]]; rng.IntN(2) == 0 && d.VirtualAddress != 0 {
			at = int64(d.VirtualAddress) + int64(rng.IntN(int(d.Size)))
		}
		v := []uint32{0, 0xffffffff, 0x7fffffff, 0x80000000, rng.Uint32(), uint32(rng.IntN(int(p.Size)))}[rng.IntN(6)]
		if at+8 < p.Size && p.Page(at&^(pageSize-1)) != nil && p.Page((at+4)&^(pageSize-1)) != nil {
			write(at, binary.LittleEndian.AppendUint32(nil, v))
		}
	}
}

// checkResult checks the promises of every result.
func checkResult(t *testing.T, r *Result) {
	t.Helper()
	if len(r.Runs) > maxRuns {
		t.Errorf("%d runs", len(r.Runs))
	}
	for i := range r.Runs {
		run := &r.Runs[i]
		if run.Len <= 0 || run.Changed > run.Len || len(run.Is) > maxShown || len(run.Was) != len(run.Is) || run.End() > int64(max(1, r.Pages))*pageSize {
			t.Errorf("run %+v", run)
		}
	}
	if !slices.IsSortedFunc(r.Runs, func(a, b Run) int { return int(int64(a.RVA) - int64(b.RVA)) }) {
		t.Error("the runs are not in order")
	}
}

// TestHostileImages compares programs with nonsense in headers and tables: no panic, no hang.
func TestHostileImages(t *testing.T) {
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 2))
		p := loadProgram(t, samples[int(seed)%len(samples)], seed%2 == 0, 0x3450000*(seed%3))
		s := windows(p.Plus)
		p.start(s)
		garble(p, rng)
		in := p.input(s, seen{private: seed%5 > 0, cached: seed%7 == 0})
		if seed%11 == 0 {
			in.Pages = 0
		}
		began := time.Now()
		r := run(t, in)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("seed %d took %v", seed, took)
		}
		checkResult(t, r)
	}
}

// FuzzCompare compares a program with any bytes anywhere in it.
func FuzzCompare(f *testing.F) {
	for i := range uint8(len(samples)) {
		f.Add(i, uint16(60), []byte{0xff, 0xff, 0, 0}, true)
		f.Add(i, uint16(0x1010), []byte{0xe9, 1, 2, 3, 4}, false)
	}
	f.Fuzz(func(t *testing.T, which uint8, at uint16, b []byte, file bool) {
		p := loadProgram(t, samples[int(which)%len(samples)], which%2 == 0, 0x3450000)
		s := windows(p.Plus)
		p.start(s)
		write := p.Write
		if file {
			write = p.WriteShared
		}
		for i := range b {
			if rva := int64(at) + int64(i); p.Page(rva&^(pageSize-1)) != nil {
				write(rva, b[i:i+1])
			}
		}
		checkResult(t, run(t, p.input(s, seen{private: true, cached: which%3 == 0})))
	})
}
