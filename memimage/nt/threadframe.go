package nt

import (
	"cmp"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// Registers say where a thread runs in its program: the registers when it last entered the kernel. FP is EBP on x86,
// and not known on x64.
type Registers struct {
	IP, SP, FP paging.Virt
	Flags      uint32
	CS, SS     uint16
}

// threadForm holds offsets of members of _KTHREAD, as distances from ThreadListEntry. Each form has another distance of
// Teb, so Teb shows the form. Each form belongs to some versions, by their public symbols.
type threadForm struct{ teb, trapFrame, state profile.Offset }

var (
	threadFormsX86 = []threadForm{
		{-0x190, -0x7c, -0x183},  // Windows XP
		{-0x17c, -0x5c, -0x180},  // Server 2003
		{-0x134, -0x98, -0x15c},  // Server 2003 SP1 and SP2
		{-0x140, -0xa4, -0x168},  // Vista, Server 2008
		{-0x158, -0xb8, -0x178},  // 7
		{-0x12c, -0x168, -0x144}, // 8 to 10
	}
	threadFormsX64 = []threadForm{
		{-0x228, -0x110, -0x184}, // Server 2003 SP1
		{-0x210, -0xf8, -0x16c},  // Server 2003 SP2
		{-0x220, -0x108, -0x17c}, // Vista, Server 2008
		{-0x240, -0x120, -0x194}, // 7, Server 2008 R2
		{-0x208, -0x268, -0x174}, // 8 to 11
	}
)

// trapFrameForm is the end of a _KTRAP_FRAME: the members that the processor and the kernel's entry write whenever a
// program enters the kernel. It is the same in all versions.
type trapFrameForm struct {
	ip, cs, flags, sp, ss, fp profile.Offset
	size                      int
	code, stack               uint64 // selectors of programs
}

var (
	trapFrameX86 = trapFrameForm{ip: 0x68, cs: 0x6c, flags: 0x70, sp: 0x74, ss: 0x78, fp: 0x60, size: 0x8c, code: 0x1b, stack: 0x23}
	trapFrameX64 = trapFrameForm{ip: 0x168, cs: 0x170, flags: 0x178, sp: 0x180, ss: 0x188, fp: profile.Absent, size: 0x190, code: 0x33, stack: 0x2b}
)

// isElsewhere reports whether a thread in a state (KTHREAD_STATE) has no registers there: it runs, or never will.
func isElsewhere(state uint64) bool {
	const initialized, running, terminated, last = 0, 2, 4, 9
	return state == initialized || state == running || state == terminated || state > last
}

// registers reads the registers of a thread. r holds the structure around its entry in the list. They are nil where
// they are not known: the version's structure is not known, the thread runs at this moment, or its TrapFrame does not
// lead to a frame of a program that runs on the thread's stack.
func (p *Process) registers(r record, t *Thread) *Registers {
	forms, frame := threadFormsX64, &trapFrameX64
	switch p.kernel.Mode.Arch {
	case paging.ArchX64:
	case paging.ArchX86:
		forms, frame = threadFormsX86, &trapFrameX86
	default:
		return nil
	}
	var found *Registers
	for _, f := range forms {
		if r.ptr(threadBefore+f.teb) != t.TEB || isElsewhere(r.u8(threadBefore+f.state)) {
			continue
		}
		registers := frame.read(p.kernel.kernel, r.ptr(threadBefore+f.trapFrame), t)
		if found != nil && registers != nil && *registers != *found {
			return nil // its form is not known
		}
		found = cmp.Or(registers, found)
	}
	return found
}

// read reads the frame at an address; nil when it is not a frame of the thread.
func (f *trapFrameForm) read(m memory, va paging.Virt, t *Thread) *Registers {
	const always, never = 1<<1 | 1<<9, ^uint64(1<<22 - 1) // bits of EFLAGS: interrupts are enabled in programs
	r, err := m.record(va, f.size)
	if err != nil || va%paging.Virt(m.pointer) != 0 {
		return nil
	}
	flags, sp, ip := r.u(f.flags, m.pointer), r.ptr(f.sp), r.ptr(f.ip)
	switch {
	case r.u16(f.cs) != f.code, r.u16(f.ss) != f.stack, flags&always != always, flags&never != 0:
		return nil
	case sp < t.StackLimit || sp >= t.StackBase || sp%paging.Virt(m.pointer) != 0, ip == 0 || m.space.Mode().IsSystem(ip):
		return nil
	}
	return &Registers{IP: ip, SP: sp, FP: r.ptr(f.fp), Flags: uint32(flags), CS: uint16(f.code), SS: uint16(f.stack)}
}
