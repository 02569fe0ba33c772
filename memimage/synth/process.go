package synth

import (
	"math/rand/v2"
	"time"
)

// proc is a process being built.
type proc struct {
	Process
	space    *space
	dtb      uint64
	eprocess record
	links    uint64 // address of ActiveProcessLinks
	peb      uint64
	peb32    uint64
	base     uint64
	vads     []vad
	loaded   []*loaded // the image, then the modules
	regions  []RegionTruth
	user     userAlloc
}

// loaded is an executable in a process.
type loaded struct {
	Module
	im      *image
	section *section
	bits    int
	pages   []PageTruth
}

// defaultThreads is the number of threads of a process whose description has none.
const defaultThreads = 3

// addSystem makes the System process, whose page tables are the kernel's.
func (b *builder) addSystem() {
	p := &proc{Process: Process{PID: 4, Name: "System", Minimal: true, Threads: 60}, space: b.k, dtb: b.k.top}
	b.addEPROCESS(p)
	b.setVar("PsInitialSystemProcess", p.eprocess.va)
	b.procs = append(b.procs, p)
	if b.Idle {
		b.addIdle()
	}
}

// addIdle makes the Idle process, which is in no list.
func (b *builder) addIdle() {
	p := &proc{Process: Process{Name: "Idle", Hidden: true, Minimal: true, Threads: 1}, space: b.k, dtb: b.k.top}
	b.addEPROCESS(p)
	b.setVar("PsIdleProcess", p.eprocess.va)
	b.procs = append(b.procs, p)
}

// addProcess makes a user process: address space, image, PEB, object.
func (b *builder) addProcess(src *Process) {
	p := &proc{Process: *src}
	p.complete(b)
	p.space = b.newSpace()
	p.dtb = p.space.top
	p.user = userAlloc{b: b, p: p}
	b.addEPROCESS(p)
	if p.Image != nil && !p.Minimal {
		b.load(p)
	}
	b.procs = append(b.procs, p)
}

// complete fills in the fields that the description leaves open.
func (p *proc) complete(b *builder) {
	if p.Path == "" {
		p.Path = `C:\WINDOWS\system32\` + p.Name
	}
	if p.PEBPath == "" {
		p.PEBPath = p.Path
	}
	if p.CommandLine == "" {
		p.CommandLine = p.PEBPath
	}
	if p.Created.IsZero() {
		p.Created = b.Time.Add(-time.Duration(1+b.m.rng.IntN(7200)) * time.Second)
	}
	p.Dead = p.Dead || p.Ghost
	p.Hidden = p.Hidden || p.Ghost
	if p.Dead && p.Exited.IsZero() {
		p.Exited = p.Created.Add(b.Time.Sub(p.Created) / 2)
	}
	if p.Threads == 0 {
		p.Threads = defaultThreads
	}
}

// fileTime is a time as Windows counts it: 100 ns since 1601.
func fileTime(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.Unix()+11644473600)*10000000 + uint64(t.Nanosecond()/100)
}

// addEPROCESS makes the process object.
func (b *builder) addEPROCESS(p *proc) {
	if p.Bias > 0 {
		b.nonpaged.nextPage()
		b.nonpaged.alloc("Free", int(p.Bias))
	}
	va := b.object(b.nonpaged, "Proc", typeProcess, b.l.size("_EPROCESS"))
	r := b.record("_EPROCESS", va)
	p.eprocess = r
	p.links, _ = r.at("ActiveProcessLinks")
	b.fillKPROCESS(p)
	r.set("UniqueProcessId", p.PID)
	r.set("InheritedFromUniqueProcessId", p.PPID)
	r.bytes("ImageFileName", []byte(p.Name)[:min(15, len(p.Name))])
	r.set("CreateTime", fileTime(p.Created))
	r.set("ExitTime", fileTime(p.Exited))
	r.list("ActiveProcessLinks")
	r.set("Token", b.fastRef(b.objectType("Toke")))
	r.set("Session", 0)
	if p.Minimal && p.PID != 4 && p.PID != 0 {
		r.set("Minimal", 1)
	}
	b.fillThreads(p)
	b.fillLife(p)
	if p.Path != "" {
		b.fillAudit(p)
	}
}

// fillKPROCESS writes _KPROCESS, with which _EPROCESS begins.
func (b *builder) fillKPROCESS(p *proc) {
	r := b.record("_KPROCESS", p.eprocess.va)
	r.set("Header.Type", 3) // ProcessObject
	if words := b.l.size("_KPROCESS") / 4; words < 256 {
		r.set("Header.Size", uint64(words))
	}
	if !p.Exited.IsZero() {
		r.set("Header.SignalState", 1) // signalled to threads that wait for its end
	}
	r.list("Header.WaitListHead")
	r.list("ProfileListHead")
	r.set("DirectoryTableBase", b.cr3(p.dtb, 2))
}

// cr3 is a page directory's address as the process object has it.
func (b *builder) cr3(top, pcid uint64) uint64 {
	if b.PCID && b.x64() {
		return top | pcid
	}
	return top
}

// fillThreads writes the thread lists; a thread is a block of pool with nothing but its list entries.
func (b *builder) fillThreads(p *proc) {
	for _, head := range []string{"Pcb.ThreadListHead", "ThreadListHead"} {
		p.eprocess.list(head)
	}
	if p.Dead {
		return
	}
	thread := b.nonpaged.alloc(b.l.tag("Thre"), 0x80)
	for i, head := range []string{"Pcb.ThreadListHead", "ThreadListHead"} {
		if va, ok := p.eprocess.at(head); ok {
			b.k.chain(b.l.ptr, va, thread+uint64(0x20*i))
		}
	}
	p.eprocess.set("ActiveThreads", uint64(p.Threads))
}

// fillLife writes the fields that differ between live and exited processes.
func (b *builder) fillLife(p *proc) {
	const statusPending = 0x103
	if !p.Dead {
		p.eprocess.set("ExitStatus", statusPending)
		p.eprocess.set("ObjectTable", b.pagedP.alloc("Obtb", b.l.size("_HANDLE_TABLE")))
		return
	}
	p.eprocess.set("ProcessExiting", 1)
	p.eprocess.set("VmDeleted", 1)
}

// fillAudit writes SeAuditProcessCreationInfo: the path with its device.
func (b *builder) fillAudit(p *proc) {
	path := devicePath(p.Path)
	raw := utf16le(`\Device\HarddiskVolume1` + path)
	info := b.l.size("_OBJECT_NAME_INFORMATION")
	va := b.pagedP.alloc("SeOn", info+len(raw)+2)
	b.k.write(va+uint64(info), raw)
	b.k.unicode(va, va+uint64(info), raw, b.l.ptr)
	p.eprocess.set("SeAuditProcessCreationInfo.ImageFileName", va)
}

// finish writes the parts that can be written only when everything is known: sections, trees, the process list, the
// kernel's half of every address space.
func (b *builder) finish() {
	for _, s := range b.order {
		s.finish()
	}
	b.finishStore()
	for _, p := range b.procs[1:] {
		if !p.Dead {
			b.vadTree(p)
		}
	}
	b.linkProcesses()
	for _, p := range b.procs[1:] {
		if p.space != b.k {
			b.mapSession(p)
			b.shareKernel(p.space)
			b.shadow(p)
			b.retire(p)
		}
	}
}

// linkProcesses writes the active process list.
func (b *builder) linkProcesses() {
	entries := []uint64{b.variable("PsActiveProcessHead")}
	for _, p := range b.procs {
		if !p.Hidden {
			entries = append(entries, p.links)
		}
	}
	b.k.chain(b.l.ptr, entries...)
	last := entries[len(entries)-1]
	switch {
	case b.Hostile.LoopLists:
		b.k.write(last, le(entries[max(1, len(entries)-2)], b.l.ptr))
	case b.Hostile.WildLinks:
		b.k.write(last, le(0xdeadbee0, b.l.ptr))
	}
}

// shadow gives a process the page directory that it runs on in user mode: the user half, and of the kernel only the
// code that handles the entry to it.
func (b *builder) shadow(p *proc) {
	if !b.KVAShadow || !b.x64() || !p.eprocess.has("Pcb.UserDirectoryTableBase") {
		return
	}
	top := b.m.alloc() << pageShift
	b.m.write(top, b.m.read(p.space.top, pageSize/2))
	user := space{mode: &b.mode, m: b.m, top: top}
	user.mapPage(b.kernel.base, b.mustResolve(b.kernel.base)>>pageShift, pteKernelPage)
	p.eprocess.set("Pcb.UserDirectoryTableBase", b.cr3(top, 1))
}

func (b *builder) mustResolve(va uint64) uint64 {
	pa, _ := b.k.resolve(va)
	return pa
}

// retire overwrites the page directory of a process that is long gone.
func (b *builder) retire(p *proc) {
	if !p.Reused {
		return
	}
	n := pageSize
	if b.Paging == PAE {
		n = 32
	}
	b.m.write(p.dtb, junk(rand.New(rand.NewPCG(b.Seed, p.PID)), n))
}

// junk is bytes without a valid page-table entry in them.
func junk(rng *rand.Rand, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rng.Uint32()) &^ 1
	}
	return p
}
