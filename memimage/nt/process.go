package nt

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"sync/atomic"
	"time"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
	"memlens/memimage/reason"
	"memlens/memimage/sparse"
)

// Limits on lists and structures of processes.
const (
	maxProcesses    = 1 << 16 // processes that are listed
	maxEPROCESS     = 0x2000  // bytes; Windows 11 24H2 has 0x840
	defaultEPROCESS = 0x1000  // where a symbol table does not say
	maxName         = 16      // bytes of _EPROCESS.ImageFileName
)

// Process is an _EPROCESS and its members, or a process from a dump, without an _EPROCESS. It is immutable and safe for
// concurrent use.
type Process struct {
	VA       paging.Virt // of the _EPROCESS; 0 when only its physical address is known
	PA       paging.Phys // of the _EPROCESS
	PID      uint64
	PPID     uint64
	RawName  []byte // ImageFileName up to its NUL: any bytes, at most 15 or 16, perhaps none
	Created  time.Time
	Exited   time.Time // zero for a process that runs
	DTB      paging.Phys
	PEB      paging.Virt // 0 for System and other processes without one
	Threads  uint64      // ActiveThreads
	Listed   bool        // in the list of active processes
	Minimal  bool        // a minimal process: it has no environment block by design
	Pico     bool
	secure   bool        // the secure kernel runs it
	wow64    paging.Virt // WoW64Process: the 32-bit environment, or a structure that begins with its address
	session  paging.Virt
	section  paging.Virt // SectionObject
	base     paging.Virt // SectionBaseAddress
	audit    paging.Virt // of the member SeAuditProcessCreationInfo
	file     paging.Virt // ImageFilePointer
	vadRoot  paging.Virt // the topmost descriptor
	kernel   *Kernel
	tables   *paging.Space // page tables only, as in Volatility
	own      *paging.Space // page tables and page files
	complete *paging.Space // all sources
	lastVAD  atomic.Pointer[vadRange]
	sound    atomic.Bool    // CheckSpace has found no error
	oddTimes bool           // some time cannot have been set by Windows
	dumped   *dumpedRegions // of a process that comes from a dump; nil: from a system's memory
}

// name reads a name of 8-bit characters up to its NUL.
func (r record) name(f profile.Field) string { return string(r.rawName(f)) }

func (r record) rawName(f profile.Field) []byte {
	n := int64(15)
	if f.Size > 0 {
		n = min(f.Size, maxName)
	}
	if f.Offset < 0 || f.Offset+n > int64(len(r.b)) {
		return nil
	}
	name, _, _ := bytes.Cut(r.b[f.Offset:f.Offset+n], []byte{0})
	return bytes.Clone(name) // it is kept, and the record is not
}

// eprocessSize is how much of an _EPROCESS is read: all of it, and, where the size is from a nearby build, as far as
// the members that were found elsewhere.
func (k *Kernel) eprocessSize() int {
	const widest = 0x40 // bytes of a member
	e := &k.layout.EPROCESS
	size := max(e.Size, profile.Size(max(e.VadRoot.Offset, e.Wow64.Offset, int64(max(e.AuditName, e.ImageFile, e.ExitTime, e.SectionObject, e.PEB))))+widest)
	if e.Size <= 0 || size > maxEPROCESS {
		return defaultEPROCESS
	}
	return int(size)
}

// Processes yields the processes of the list of active processes, System first, each once. A damaged list is followed
// from both ends. A process that cannot be read is an error in its place, and does not end the list.
func (k *Kernel) Processes() iter.Seq2[*Process, error] {
	return func(yield func(*Process, error) bool) {
		if k.dump != nil {
			yield(k.dump.process, nil)
			return
		}
		w := processWalk{k: k, yield: yield, seen: map[paging.Virt]bool{}}
		broken := w.walk(k.PsActiveProcessHead, 0, nil)
		if w.over || broken == nil || !yield(nil, broken) {
			return
		}
		if len(w.seen) == 0 {
			broken = w.fromSystem()
		}
		forward := maps.Clone(w.seen)
		if w.over || broken == nil {
			return
		}
		if broken = w.walk(k.PsActiveProcessHead, paging.Virt(k.kernel.pointer), forward); !w.over && broken != nil {
			yield(nil, broken)
		}
	}
}

// processWalk is a walk over the list of processes.
type processWalk struct {
	k     *Kernel
	yield func(*Process, error) bool
	seen  map[paging.Virt]bool // list entries
	over  bool                 // yield has returned false
}

// fromSystem follows the list from System on, which comes first, where the list's head cannot be followed. The error
// says why it did not come to the head.
func (w *processWalk) fromSystem() error {
	first := w.k.SystemProcess + paging.Virt(w.k.layout.EPROCESS.Links)
	p, err := w.k.Process(w.k.SystemProcess)
	if err != nil {
		return err
	}
	w.seen[first], p.Listed = true, true
	if !w.yield(p, nil) {
		w.over = true
		return nil
	}
	return w.walk(first, 0, nil)
}

// walk follows the list from an entry, or its head, through the links at offset side (0: forward, a pointer's size:
// backward), to the head or to an entry of an earlier walk. The error says why it did not get there.
func (w *processWalk) walk(at, side paging.Virt, earlier map[paging.Virt]bool) error {
	k := w.k
	links := paging.Virt(k.layout.EPROCESS.Links)
	for len(w.seen) < maxProcesses {
		next, err := k.kernel.ptr(at + side)
		switch {
		case err != nil:
			return fmt.Errorf("nt: the process list ends at %#x, which cannot be read: %w", uint64(at), err)
		case next == k.PsActiveProcessHead || earlier[next]:
			return nil
		case w.seen[next]:
			return fmt.Errorf("nt: the process list leads from %#x back to %#x, which is not its head", uint64(at), uint64(next))
		}
		p, err := k.Process(next - links)
		if err != nil {
			return fmt.Errorf("nt: the process list leads from %#x to %#x: %w", uint64(at), uint64(next), err)
		}
		w.seen[next] = true
		p.Listed = true
		if !w.yield(p, nil) {
			w.over = true
			return nil
		}
		at = next
	}
	return fmt.Errorf("nt: the process list has more than %d entries", maxProcesses)
}

// Process reads the _EPROCESS at va of the system's address space.
func (k *Kernel) Process(va paging.Virt) (*Process, error) {
	page, err := k.kernel.space.Translate(va)
	if err != nil {
		return nil, fmt.Errorf("the _EPROCESS at %#x cannot be read: %w", uint64(va), err)
	}
	r, err := k.kernel.sparseRecord(va, k.eprocessSize())
	if err != nil && len(r.name(k.layout.EPROCESS.Name)) == 0 && r.ptr(k.layout.EPROCESS.DTB) == 0 {
		return nil, fmt.Errorf("the _EPROCESS at %#x cannot be read: %w", uint64(va), err)
	}
	p := k.decode(r)
	p.VA, p.PA = va, paging.Phys(page.Off)+paging.Phys(va-page.VA)
	if k.layout.EPROCESS.AuditName.Present() {
		p.audit = va + paging.Virt(k.layout.EPROCESS.AuditName)
	}
	return p, nil
}

// decode makes a process of an _EPROCESS.
func (k *Kernel) decode(r record) *Process {
	e := &k.layout.EPROCESS
	p := &Process{
		PID: uint64(r.ptr(e.PID)), PPID: uint64(r.ptr(e.PPID)), RawName: r.rawName(e.Name),
		DTB: paging.Phys(r.ptr(e.DTB)) & paging.Phys(k.Mode.RootMask), PEB: r.ptr(e.PEB), Threads: r.u32(e.ActiveThreads),
		section: r.ptr(e.SectionObject), base: r.ptr(e.SectionBase), kernel: k,
	}
	var created, exited bool
	p.Created, created = r.time(e.CreateTime)
	p.Exited, exited = r.time(e.ExitTime)
	p.oddTimes = !created && r.u(e.CreateTime, 8) != 0 || !exited && r.u(e.ExitTime, 8) != 0
	if e.Wow64.Present() {
		p.wow64 = r.ptr(profile.Offset(e.Wow64.Offset))
	}
	if e.Session.Present() {
		p.session = r.ptr(profile.Offset(e.Session.Offset))
	}
	if e.ImageFile.Present() {
		p.file = r.ptr(e.ImageFile)
	}
	minimal, _ := r.field(e.Minimal)
	p.Minimal = minimal != 0
	p.Pico = e.PicoContext.Present() && r.ptr(e.PicoContext) != 0
	p.secure = r.isSecure(e.SecureHandle, e.SecurePID)
	p.vadRoot = k.vadRoot(r)
	p.tables = paging.NewSpace(k.Mode, k.cache, p.DTB, k.soft)
	p.own = p.tables.Follow(paging.Sources{Swap: k.swap})
	p.complete = p.tables.Follow(paging.Sources{Kernel: k.Space, Backing: p, Swap: k.swap})
	return p
}

// Kernel returns the kernel that the process belongs to.
func (p *Process) Kernel() *Kernel { return p.kernel }

// Tables returns the process's address space as its page tables alone give it: valid pages and pages in transition.
func (p *Process) Tables() *paging.Space { return p.tables }

// Own returns the process's address space as its page tables and the page files give it: its own pages.
func (p *Process) Own() *paging.Space { return p.own }

// Space returns the process's address space with all sources: prototype entries, address descriptors, page files.
func (p *Process) Space() *paging.Space { return p.complete }

// CheckSpace returns an error when the page tables do not, or no longer, belong to a process: the tables of all
// processes map the page that Windows shares with every program to one place.
func (p *Process) CheckSpace() error {
	if p.dumped != nil || p.sound.Load() { // a dump has none
		return nil
	}
	if p.DTB == 0 {
		return reason.Errorf(reason.TablesGone, "its page tables are gone: the directory table base is 0")
	}
	va, pa := p.kernel.common()
	page, err := p.tables.Translate(va)
	if sparse.Failed(err) {
		return fmt.Errorf("its page tables cannot be read: %w", err)
	}
	if err != nil || paging.Phys(page.Off)+paging.Phys(va-page.VA) != pa {
		return reason.Errorf(reason.TablesGone, "its page tables are gone: the page at the directory table base %#x has been reused", uint64(p.DTB))
	}
	p.sound.Store(true)
	return nil
}

// common returns an address that all processes map to one place, and that place: the shared page's, or where that is
// lost the place of System's structure.
func (k *Kernel) common() (paging.Virt, paging.Phys) {
	if !k.shared.lost {
		return k.Mode.Arch.Shared, k.shared.PA
	}
	page, err := k.Space.Translate(k.SystemProcess)
	if err != nil {
		return k.SystemProcess, 0
	}
	return k.SystemProcess, paging.Phys(page.Off) + paging.Phys(k.SystemProcess-page.VA)
}

// SectionBase returns the address at which the kernel mapped the process's executable (_EPROCESS.SectionBaseAddress).
func (p *Process) SectionBase() paging.Virt { return p.base }

// SessionID returns the session of the process; false for a process without one. It is from the kernel's session
// structure, or, in versions without that and where it cannot be read, from the PEB.
func (p *Process) SessionID() (uint32, bool) {
	k := p.kernel
	if p.session != 0 && k.layout.Session.Present() {
		// The session's structure is mapped in session space, of which only its own processes' page tables know.
		id, err := memory{p.tables, k.kernel.pointer}.u32(p.session + paging.Virt(k.layout.Session))
		if err == nil && id < 1<<16 {
			return uint32(id), true
		}
	}
	if p.PEB == 0 || !k.layout.PEB.SessionID.Present() || p.CheckSpace() != nil {
		return 0, false
	}
	id, err := memory{p.complete, k.kernel.pointer}.u32(p.PEB + paging.Virt(k.layout.PEB.SessionID))
	return uint32(id), err == nil && id < 1<<16
}
