package synth

// Thread is a thread with all its structures: the kernel's, and the environment block that the program sees.
type Thread struct {
	ID    uint32
	Stack uint64 // beginning of its stack of 0x4000 bytes; its environment block follows
	Other uint32 // the id that its environment block has; 0: ID
	NoTEB bool   // its environment block is not in memory
	State uint8  // KTHREAD_STATE; 5: it waits
	IP    uint64 // its instruction pointer when it entered the kernel; 0: it has no trap frame
}

// threadLayout has the offsets of members of _KTHREAD and _ETHREAD in some versions. Profiles do not have them.
type threadLayout struct{ teb, links, id, processLinks, trapFrame, state uint64 }

// threadLayoutOf returns the layout of a build: Windows XP, Windows 7, or Windows 10 2004.
func threadLayoutOf(build uint32, x64 bool) threadLayout {
	switch {
	case !x64:
		return threadLayout{teb: 0x20, links: 0x1b0, id: 0x1ec, processLinks: 0x22c, trapFrame: 0x134, state: 0x2d}
	case build < 9200:
		return threadLayout{teb: 0xb8, links: 0x2f8, id: 0x3b0, processLinks: 0x420, trapFrame: 0x1d8, state: 0x164}
	}
	return threadLayout{teb: 0xf0, links: 0x2f8, id: 0x478, processLinks: 0x4e8, trapFrame: 0x90, state: 0x184}
}

const (
	threadSize = 0x900
	stackSize  = 0x4000
)

// addThreads makes the threads that are described, in the process's lists.
func (b *builder) addThreads(p *proc) {
	if len(p.ThreadList) == 0 || p.Dead {
		return
	}
	l := threadLayoutOf(b.l.build, b.x64())
	heads := [2][]uint64{}
	for i, head := range []string{"Pcb.ThreadListHead", "ThreadListHead"} {
		va, ok := p.eprocess.at(head)
		if !ok {
			return
		}
		heads[i] = []uint64{va}
	}
	for _, t := range p.ThreadList {
		va := b.nonpaged.alloc(b.l.tag("Thre"), threadSize)
		b.k.write(va+l.teb, le(b.teb(p, t), b.l.ptr))
		b.k.write(va+l.state, []byte{t.State})
		if t.IP != 0 {
			b.k.write(va+l.trapFrame, le(b.trapFrame(t), b.l.ptr))
		}
		b.k.write(va+l.id, append(le(p.PID, b.l.ptr), le(uint64(t.ID), b.l.ptr)...))
		heads[0], heads[1] = append(heads[0], va+l.links), append(heads[1], va+l.processLinks)
	}
	for _, entries := range heads {
		b.k.chain(b.l.ptr, entries...)
	}
	p.eprocess.set("ActiveThreads", uint64(len(p.ThreadList)))
}

// teb makes a thread's stack and environment block.
func (b *builder) teb(p *proc, t Thread) uint64 {
	va := t.Stack + stackSize
	if t.NoTEB {
		p.user.region(t.Stack, stackSize)
		return va
	}
	p.user.region(t.Stack, stackSize+pageSize)
	id := t.Other
	if id == 0 {
		id = t.ID
	}
	n := uint64(b.l.ptr)
	for member, v := range map[uint64]uint64{1: t.Stack + stackSize, 2: t.Stack, 6: va, 8: p.PID, 9: uint64(id), 12: p.peb} {
		p.space.write(va+member*n, le(v, b.l.ptr))
	}
	return va
}

// threadFlags are EFLAGS of a program.
const threadFlags = 0x246

// trapFrame makes the frame that the processor and the kernel write when a thread enters the kernel.
func (b *builder) trapFrame(t Thread) uint64 {
	sp := t.Stack + stackSize/2
	if b.x64() {
		va := b.nonpaged.alloc(b.l.tag("Kstk"), 0x190)
		b.k.write(va+0x168, le(t.IP, 8))
		for i, v := range []uint64{0x33, threadFlags, sp, 0x2b} {
			b.k.write(va+0x170+8*uint64(i), le(v, 8))
		}
		return va
	}
	va := b.nonpaged.alloc(b.l.tag("Kstk"), 0x8c)
	b.k.write(va+0x60, le(sp+0x40, 4))
	for i, v := range []uint64{t.IP, 0x1b, threadFlags, sp, 0x23} {
		b.k.write(va+0x68+4*uint64(i), le(v, 4))
	}
	return va
}
