package nt

import (
	"memlens/memimage/minidump"
	"memlens/memimage/paging"
)

// tebForm holds the offsets of the members of a _TEB that lead to the environment block. They are the same in all
// versions of Windows (_TEB and _NT_TIB in the public symbols of ntdll; winnt.h and winternl.h have the first members).
type tebForm struct {
	pointer        int
	self, pid, peb paging.Virt
}

var (
	teb32 = tebForm{pointer: 4, self: 0x18, pid: 0x20, peb: 0x30}
	teb64 = tebForm{pointer: 8, self: 0x30, pid: 0x40, peb: 0x60}
)

const (
	// tebBehind is the distance from the 64-bit block of a thread of a 32-bit process to its 32-bit block.
	tebBehind = 0x2000
	// peb32Base is the offset of ImageBaseAddress in a 32-bit _PEB.
	peb32Base = 8
)

// pebFinder finds the environment block of a dumped process by way of its threads' blocks.
type pebFinder struct {
	k     *Kernel
	m     memory
	peb   paging.Virt // 0: not found
	peb32 paging.Virt // of a 32-bit process on 64-bit Windows; 0: there is none
	pid   uint64
}

// find looks at the threads in turn. A thread's block is accepted when it holds its own address.
func (f *pebFinder) find(threads []minidump.Thread) {
	form := teb64
	if f.m.pointer == 4 {
		form = teb32
	}
	for i := range threads {
		for _, teb := range f.places(paging.Virt(threads[i].TEB)) {
			peb, ok := f.environment(f.m, form, teb)
			if !ok {
				continue
			}
			f.peb = peb
			pid, _ := f.m.ptr(teb + form.pid)
			f.pid = uint64(pid)
			f.k.found("the environment block is at %#x, as the block of thread %d at %#x says", uint64(peb), threads[i].ID, uint64(teb))
			f.find32(teb)
			return
		}
	}
	if f.search(); f.peb == 0 {
		f.k.found("the environment block is not found: the dump has the block of no thread that would lead to it")
	}
}

// places are the addresses at which the block of a thread may lie for an address in a dump: there, and for a 32-bit
// process on 64-bit Windows behind the 64-bit block.
func (f *pebFinder) places(teb paging.Virt) []paging.Virt {
	switch {
	case teb == 0:
		return nil
	case f.m.pointer == 4:
		return []paging.Virt{teb, teb + tebBehind}
	}
	return []paging.Virt{teb}
}

// environment returns the address of the environment block that the thread's block at teb names; false where there is no such
// block.
func (f *pebFinder) environment(m memory, form tebForm, teb paging.Virt) (paging.Virt, bool) {
	self, err := m.ptr(teb + form.self)
	if err != nil || self != teb {
		return 0, false
	}
	peb, err := m.ptr(teb + form.peb)
	if err != nil || peb == 0 {
		return 0, false
	}
	_, err = m.ptr(peb)
	return peb, err == nil
}

// find32 looks for the 32-bit environment block of a process. Its 64-bit thread's block is at teb, and the first member
// (ExceptionList) of that is the address of the 32-bit one. Both environment blocks name the same program.
func (f *pebFinder) find32(teb paging.Virt) {
	if f.m.pointer != 8 {
		return
	}
	base, err := f.m.ptr(f.peb + paging.Virt(f.k.layout.PEB.ImageBase))
	if err != nil {
		return
	}
	m := memory{f.m.space, 4}
	first, _ := f.m.ptr(teb)
	for _, at := range []paging.Virt{first, teb + tebBehind} {
		peb, ok := f.environment(m, teb32, at)
		if !ok {
			continue
		}
		if other, err := m.ptr(peb + peb32Base); err == nil && other == base {
			f.peb32 = peb
			f.k.found("it is a 32-bit process on 64-bit Windows: its 32-bit environment block is at %#x, as the thread's 32-bit block at %#x says", uint64(peb), uint64(at))
			return
		}
	}
}
