package nt

import (
	"cmp"
	"fmt"
	"slices"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/sparse"
)

// Thread is a thread of a process. It is proved twice: by the kernel's structure of the thread, which has its ids and
// leads to its environment block, and by that block, which has the same ids and leads to the process's. Where the block
// is not in memory, the limits of the stack are 0, and there are no registers.
type Thread struct {
	ID                    uint32
	TEB                   paging.Virt
	StackLimit, StackBase paging.Virt // lowest address of the user-mode stack, and the address behind the highest
	Registers             *Registers  // nil: not known
}

// Offsets around the entry of a thread in its process's list (_KTHREAD.ThreadListEntry): _KTHREAD begins no more than
// threadBefore bytes before it, and has Teb there; _ETHREAD.Cid lies less than threadBehind bytes behind it. That holds
// from Windows XP to Windows 11; the profiles do not have these members.
const (
	threadBefore = 0x300
	threadBehind = 0x400
	maxThreads   = 1 << 14
)

// Members of a _TEB, which are in the same place in all versions, in units of a pointer: _NT_TIB.StackBase, StackLimit and
// Self, ClientId, ProcessEnvironmentBlock.
const (
	tebStackBase  = 1
	tebStackLimit = 2
	tebSelf       = 6
	tebProcessID  = 8
	tebThreadID   = 9
	tebPEB        = 12

	tebAlignment = 0x1000
)

// FindThreads returns the threads of the process that are certain, in the order of their ids, and the damage of the
// list of threads. ActiveThreads says how many there should be. Where the environment block of a thread is not in
// memory, its ids are read at the offsets at which the process's other threads have theirs.
func (p *Process) FindThreads() ([]Thread, error) {
	entries, damage := p.threadEntries()
	var out []Thread
	var rest []record
	var places []threadPlace // places that all threads found so far have
	for _, entry := range entries {
		r, _ := p.kernel.kernel.sparseRecord(entry-threadBefore, threadBefore+threadBehind)
		t, at := p.thread(r)
		if len(at) == 0 {
			rest = append(rest, r)
			continue
		}
		if places = common(places, at); len(out) == 0 {
			places = at
		}
		out = append(out, t)
	}
	if len(places) == 1 {
		for _, r := range rest {
			if t, ok := p.threadWithoutTEB(r, places[0]); ok {
				out = append(out, t)
			}
		}
	}
	slices.SortFunc(out, func(a, b Thread) int { return cmp.Compare(a.ID, b.ID) })
	return slices.CompactFunc(out, func(a, b Thread) bool { return a.ID == b.ID }), damage
}

// threadPlace is where Teb and Cid lie in a record around a thread's entry.
type threadPlace struct{ teb, id profile.Offset }

// common returns the places in both lists.
func common(a, b []threadPlace) []threadPlace {
	return slices.DeleteFunc(slices.Clone(a), func(p threadPlace) bool { return !slices.Contains(b, p) })
}

// threadEntries follows the list of threads (_KPROCESS.ThreadListHead).
func (p *Process) threadEntries() (out []paging.Virt, err error) {
	head := p.kernel.layout.EPROCESS.KThreadList
	if p.VA == 0 || !head.Present() || p.PEB == 0 {
		return nil, nil
	}
	first := p.VA + paging.Virt(head)
	seen := map[paging.Virt]bool{first: true}
	for at := first; ; {
		next, err := p.kernel.kernel.ptr(at)
		switch {
		case err != nil:
			return out, fmt.Errorf("nt: the list of threads ends at %#x, which cannot be read: %w", uint64(at), err)
		case next == first:
			return out, nil
		case seen[next] || !p.kernel.inKernelSpace(next):
			return out, fmt.Errorf("nt: the list of threads leads from %#x to %#x, which is not its head", uint64(at), uint64(next))
		case len(seen) > maxThreads:
			return out, fmt.Errorf("nt: the list of threads has more than %d entries", maxThreads)
		}
		seen[next] = true
		out, at = append(out, next), next
	}
}

// thread returns the thread of a record, and all places at which its environment block and its ids stand; none where
// there is no certain thread.
func (p *Process) thread(r record) (found Thread, places []threadPlace) {
	step := profile.Offset(r.pointer)
	for off := profile.Offset(0); off < threadBefore; off += step {
		t, ok := p.teb(r.ptr(off))
		if !ok || found.ID != 0 && found.ID != t.ID {
			continue
		}
		for id := profile.Offset(threadBefore); int(id+2*step) <= len(r.b); id += step {
			if r.u(id, r.pointer) == p.PID && r.u(id+step, r.pointer) == uint64(t.ID) {
				found, places = t, append(places, threadPlace{off, id})
			}
		}
	}
	if len(places) > 0 {
		found.Registers = p.registers(r, &found)
	}
	return found, places
}

// threadWithoutTEB finds a thread by the kernel's structure alone, where the environment block is not in memory.
func (p *Process) threadWithoutTEB(r record, at threadPlace) (Thread, bool) {
	step := profile.Offset(r.pointer)
	t := Thread{TEB: r.ptr(at.teb), ID: uint32(r.ptr(at.id + step))}
	if r.u(at.id, r.pointer) != p.PID || t.ID == 0 || t.TEB == 0 || t.TEB%tebAlignment != 0 || p.kernel.inKernelSpace(t.TEB) {
		return Thread{}, false
	}
	_, err := memory{p.complete, r.pointer}.record(t.TEB, r.pointer)
	return t, sparse.IsHole(err)
}

// teb reads the thread environment block at an address; false when it is not a block of the process.
func (p *Process) teb(va paging.Virt) (Thread, bool) {
	if va == 0 || va%tebAlignment != 0 || p.kernel.inKernelSpace(va) {
		return Thread{}, false
	}
	m := memory{p.complete, p.kernel.kernel.pointer}
	r, err := m.record(va, (tebPEB+1)*m.pointer)
	member := func(i profile.Offset) paging.Virt { return r.ptr(i * profile.Offset(m.pointer)) }
	if err != nil || member(tebSelf) != va || member(tebPEB) != p.PEB || uint64(member(tebProcessID)) != p.PID {
		return Thread{}, false
	}
	t := Thread{TEB: va, ID: uint32(member(tebThreadID)), StackBase: member(tebStackBase), StackLimit: member(tebStackLimit)}
	return t, paging.Virt(t.ID) == member(tebThreadID) && t.ID != 0
}
