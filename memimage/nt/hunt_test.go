package nt

import (
	"context"
	"encoding/binary"
	"testing"

	"memlens/memimage/paging"
	"memlens/memimage/synth/corpus"
)

// search looks for a kernel in built memory and returns the units of work that took.
func (l *lab) search() (k *Kernel, spent int64, err error) {
	f := newFinder(l.memory(), l.options)
	k, err = f.find(context.Background())
	return k, maxWork - f.work.left, err
}

// tableOf returns the physical address of the table of a level on the way to va.
func (l *lab) tableOf(va paging.Virt, level int) int64 {
	l.t.Helper()
	s, at := l.whole.Space, int64(-1)
	s.Walk(&paging.Walk{
		From: va &^ 0xfff, To: va&^0xfff + pageSize,
		Enter: func(f paging.Frame) bool {
			if f.Level == level && !f.Large {
				at = int64(f.PA)
			}
			return true
		},
		Page:  func(paging.Virt, paging.Phys) bool { return true },
		Leave: func(paging.Frame, bool) {},
	})
	if at < 0 {
		l.t.Fatalf("no table of level %d leads to %#x", level, uint64(va))
	}
	return at
}

// manyProcesses is a system in which many page directories share the kernel's tables.
func manyProcesses(t testing.TB, kind string) *lab {
	s := system(t, kind)
	exe := s.Processes[0].Image
	s.RAM = 64 << 20
	s.Processes = s.Processes[:3]
	for pid := uint64(2000); len(s.Processes) < 40; pid += 4 {
		p := s.Processes[0]
		p.PID, p.PPID, p.Name, p.Image = pid, 368, "many.exe", exe
		s.Processes = append(s.Processes, p)
	}
	return newLab(t, s)
}

// TestDamagedKernelTables: the pages of the kernel's page tables are looked at once, not once for every process. Tables
// that lead to themselves, to one page or out of memory must not take long.
func TestDamagedKernelTables(t *testing.T) {
	corpus.Long(t)
	fill := func(l *lab, entry uint64) []byte {
		size := l.whole.Mode.EntrySize
		var page []byte
		for len(page) < pageSize {
			page = append(page, binary.LittleEndian.AppendUint64(nil, entry)[:size]...)
		}
		return page
	}
	for name, table := range map[string]func(l *lab, pa int64) []byte{
		"wiped":           func(l *lab, _ int64) []byte { return make([]byte, pageSize) },
		"to itself":       func(l *lab, pa int64) []byte { return fill(l, uint64(pa)|0x63) },
		"to one page":     func(l *lab, _ int64) []byte { return fill(l, uint64(l.pa(l.built.Truth.Kernel.Base))|0x63) },
		"out of memory":   func(l *lab, _ int64) []byte { return fill(l, 0x7ff00063) },
		"to the root":     func(l *lab, _ int64) []byte { return fill(l, uint64(l.whole.DTB())&^0xfff|0x63) },
		"of another page": func(l *lab, _ int64) []byte { return l.read(l.pa(uint64(l.whole.SystemProcess))&^0xfff, pageSize) },
	} {
		for _, kind := range []string{"WinXPSP2x86", "Win7SP1x86_24000", "Win7SP1x64", "Win10x64_19041"} {
			for above := range 2 {
				t.Run(name+"/"+kind+"/"+[]string{"page table", "page directory"}[above], func(t *testing.T) {
					l := manyProcesses(t, kind)
					level := len(l.whole.Mode.Levels) - 1 - above
					if level == 0 {
						t.Skip("it is each process's own")
					}
					pa := l.tableOf(l.whole.Base, level)
					l.writePhys(pa, table(l, pa))
					_, spent, err := l.search()
					most := int64(maxWork / 16)
					if l.whole.Mode == paging.PAE && above == 1 {
						most = 2 * maxWork // System's own: offsets are inferred in vain
					}
					if spent > most || l.whole.Mode == paging.PAE && err != nil {
						t.Errorf("%d units of work, want at most %d (error %v)", spent, most, err)
					}
				})
			}
		}
	}
}

// TestHuntFindsWhatAnEarlierDirectoryLost: a page that may be the kernel's is tried through every page directory.
func TestHuntFindsWhatAnEarlierDirectoryLost(t *testing.T) {
	l := newLab(t, system(t, "Win7SP1x64"))
	space := l.whole.Space
	h := newHunt(&work{left: maxWork})
	tries := 0
	look := func(va paging.Virt, page []byte) promise {
		if va != l.whole.Base {
			return nothing
		}
		if tries++; tries < 3 {
			return perhaps
		}
		return sought
	}
	for range 4 {
		h.in(space, look)
	}
	if tries != 4 {
		t.Errorf("the page was tried %d times", tries)
	}
	before := h.work.left
	h.in(space, func(paging.Virt, []byte) promise { return perhaps })
	if before-h.work.left > 1<<12 {
		t.Errorf("what has nothing was looked at again: %d units", before-h.work.left)
	}
}

// read returns bytes of the built memory.
func (l *lab) read(pa int64, n int) []byte {
	l.t.Helper()
	b := make([]byte, n)
	if _, err := l.built.Reader.ReadAt(b, pa); err != nil {
		l.t.Fatal(err)
	}
	return b
}
