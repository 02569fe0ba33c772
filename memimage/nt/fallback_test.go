package nt

import (
	"errors"
	"strings"
	"testing"

	"memlens/memimage/paging"
)

// TestSystemBySearch: where neither the kernel's image nor its debugger data can be read, the System process is found
// in physical memory.
func TestSystemBySearch(t *testing.T) {
	wild := func(l *lab) {
		l.writePtr(l.built.Truth.Kernel.PsInitialSystemProcess, 0)
		l.write(l.built.Truth.Kernel.KDBG, make([]byte, 0x400))
	}
	cut := func(l *lab) {
		l.cut(l.built.Truth.Kernel.Base)
		l.cut(l.built.Truth.Kernel.KDBG)
	}
	copied := func(l *lab) { // a copy of its first page lies before it
		cut(l)
		page := make([]byte, pageSize)
		if _, err := l.built.Reader.ReadAt(page, l.pa(uint64(l.whole.SystemProcess))&^0xfff); err != nil {
			l.t.Fatal(err)
		}
		l.writePhys(0x5000, page)
	}
	for name, damage := range map[string]func(l *lab){"nothing leads to it": wild, "no headers": cut, "a copy": copied} {
		for _, kind := range append(kinds, "Win11x64_26100", "Win10x64_19041.2846") {
			t.Run(name+"/"+kind, func(t *testing.T) {
				s := system(t, kind)
				s.Lowest = 0x8000
				l := newLab(t, s)
				damage(l)
				k := l.kernel()
				if k.SystemProcess != l.whole.SystemProcess || k.DTB() != l.whole.DTB() {
					t.Errorf("System is at %#x with the DTB %#x, want %#x and %#x", uint64(k.SystemProcess), uint64(k.DTB()), uint64(l.whole.SystemProcess), uint64(l.whole.DTB()))
				}
				if k.PsActiveProcessHead != paging.Virt(l.built.Truth.Kernel.PsActiveProcessHead) {
					t.Errorf("the list's head is at %#x", uint64(k.PsActiveProcessHead))
				}
				if said := strings.Join(k.Found, "\n"); !strings.Contains(said, "a search of physical memory") {
					t.Errorf("it does not say how: %s", said)
				}
			})
		}
	}
}

// TestSystemNotThere: in a system without a System process none is found, and the error says so.
func TestSystemNotThere(t *testing.T) {
	l := newLab(t, system(t, "Win10x64_19041"))
	l.cut(l.built.Truth.Kernel.Base)
	l.cut(l.built.Truth.Kernel.KDBG)
	l.cut(uint64(l.whole.SystemProcess))
	_, err := l.find()
	var missing *NotFoundError
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), "search of physical memory") {
		t.Errorf("the error is %v", err)
	}
}

// TestSizes: systems of any size are found, with all their processes.
func TestSizes(t *testing.T) {
	for _, name := range []string{"WinXPSP2x86", "Win7SP1x86_24000", "Win7SP1x64", "Win10x64_19041.2846", "Win11x64_26100"} {
		t.Run(name, func(t *testing.T) {
			small := system(t, name)
			small.RAM, small.Processes = 16<<20, small.Processes[:3]
			if pids, damage := listed(newLab(t, small).whole); len(pids) != 4 || len(damage) > 0 {
				t.Errorf("in 16 MiB: %d, damage %q", pids, damage)
			}
			if testing.Short() || name != "WinXPSP2x86" && name != "Win11x64_26100" {
				return
			}
			const many = 4500
			if pids, damage := listed(newLab(t, row(t, name, many)).whole); len(pids) != many+1 || len(damage) > 0 {
				t.Errorf("%d processes, want %d; damage %q", len(pids), many+1, damage)
			}
		})
	}
}
