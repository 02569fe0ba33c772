package memimage

import (
	"testing"
	"time"

	"memlens/memimage/nt"
)

// TestFamilies has a long chain of clones, a ring of parents with a process beside it, and a process whose parent has
// another section. Each process is asked once, however many lead to it.
func TestFamilies(t *testing.T) {
	const chain = 10000
	parents := map[uint64]*Process{}
	add := func(pid, ppid uint64) *Process {
		parents[pid] = &Process{Process: &nt.Process{PID: pid, PPID: ppid}}
		return parents[pid]
	}
	add(1, 0)
	for pid := uint64(100); pid < 100+chain; pid++ {
		add(pid, pid-1)
	}
	for pid := uint64(50); pid < 53; pid++ {
		add(pid, 50+(pid-49)%3)
	}
	add(60, 51)
	add(70, 1)
	add(71, 70)
	add(80, 99999)
	born := time.Date(2011, 1, 9, 0, 0, 0, 0, time.UTC)
	add(90, 80).Created = born.Add(time.Second) // and has the number of a process that is gone
	add(91, 90).Created = born
	asked := 0
	f := &families{parents, func(_, parent *Process) bool { asked++; return parent.PID == 1 }, map[*Process]uint64{}}
	for pid := uint64(100 + chain - 1); pid >= 100; pid-- {
		if got := f.of(parents[pid]); got != 99 {
			t.Fatalf("process %d is of the family %d, want 99: its first parent is gone", pid, got)
		}
	}
	if asked > chain {
		t.Errorf("%d processes were asked, of %d", asked, chain)
	}
	for pid, want := range map[uint64]uint64{50: 0, 51: 0, 52: 0, 60: 0, 70: 70, 71: 70, 80: 99999, 90: 99999, 91: 90} {
		if got := f.of(parents[pid]); got != want {
			t.Errorf("process %d is of the family %d, want %d", pid, got, want)
		}
	}
}
