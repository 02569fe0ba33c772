package synth

import "time"

// Truth describes the content of a built memory.
type Truth struct {
	Kernel    KernelTruth
	Processes []ProcessTruth // System first, then Idle and MemCompression if they exist, then in the order of the description
	Drivers   []DriverTruth  // as described
	Store     *StoreTruth    // nil: no compression store
}

// KernelTruth has the addresses of the kernel.
type KernelTruth struct {
	Base                   uint64
	Size                   uint32
	DTB                    uint64 // of the System process, without PCID
	KDBG                   uint64
	KPCR                   uint64
	PsActiveProcessHead    uint64
	PsLoadedModuleList     uint64
	PsInitialSystemProcess uint64 // address of the variable
	Vars                   map[string]uint64
	PDB                    RSDS
	Modules                []uint64 // loaded module entries
	SelfMap                int      // top-level slot
	Time                   time.Time
}

// ProcessTruth is one process.
type ProcessTruth struct {
	PID, PPID      uint64
	Name           string // as the 15 bytes of ImageFileName hold it
	Path           string
	CommandLine    string
	EPROCESS       uint64
	EPROCESSPhys   int64
	DTB            uint64 // as in the object
	UserDTB        uint64 // 0: none
	PEB, PEB32     uint64
	Base           uint64
	Size           uint32
	SectionObject  uint64
	ControlArea    uint64
	FileObject     uint64
	DataArea       uint64 // control area of the data section, 0: none
	VADs           int
	Created        time.Time
	Exited         time.Time
	Listed         bool
	Dead           bool
	Reused         bool // its page directory is gone
	Wow64, Minimal bool
	File           []byte      // the executable as on disk; nil: none
	Pages          []PageTruth // of the image
	Modules        []ModuleTruth
	Regions        []RegionTruth // as described
	peb            State
}

// ModuleTruth is a module of a process, the image is the first one.
type ModuleTruth struct {
	Path     string
	Base     uint64
	Size     uint32
	Bits     int
	Unlinked bool
	File     []byte
	Pages    []PageTruth
}

// RegionTruth is private memory that holds no executable.
type RegionTruth struct {
	VA    uint64
	Pages []PageTruth // of Region.Data
}

// View is the region as a reader of a level sees it.
func (t *RegionTruth) View(l Level) []byte { return viewOf(t.Pages, l) }

// PageTruth is one page of an image in a process.
type PageTruth struct {
	State   State
	Table   State  // of the page table that has the entry
	Phys    int64  // of the page that State leads to, 0 if it is not in memory
	Proto   uint64 // address of its prototype PTE
	Under   Under  // the state of that prototype PTE
	NoProto bool   // the prototype PTE is zero
	Section int64  // physical address of the section's page, 0 if not in memory
	Cached  bool   // the page of the file that it comes from is in the file cache
	Lost    bool   // nothing leads from the VAD to the prototype
	Private bool   // relocated, bound or written by the process: the section's page differs
	content []byte // the page as the process sees it; nil if there is no page
	page    int
	section *section
}

// fillTruth fills Truth in, when everything is decided.
func (b *builder) fillTruth() {
	k := b.kernel
	b.truth.Kernel = KernelTruth{
		Base: k.base, Size: k.size, DTB: b.k.top, KDBG: b.variable("KdDebuggerDataBlock"), KPCR: k.kpcr,
		PsActiveProcessHead: b.variable("PsActiveProcessHead"), PsLoadedModuleList: b.variable("PsLoadedModuleList"),
		PsInitialSystemProcess: b.variable("PsInitialSystemProcess"), Vars: make(map[string]uint64),
		PDB: k.id, Modules: k.modules, SelfMap: int(b.selfSlot), Time: b.Time,
	}
	for name := range k.vars {
		b.truth.Kernel.Vars[name] = b.variable(name)
	}
	b.truth.Drivers = b.driverTruth()
	if b.store != nil {
		b.truth.Store = b.store.truth()
	}
	for _, p := range b.procs {
		b.truth.Processes = append(b.truth.Processes, b.processTruth(p))
	}
}

func (b *builder) processTruth(p *proc) ProcessTruth {
	phys, _ := b.k.resolve(p.eprocess.va)
	t := ProcessTruth{
		PID: p.PID, PPID: p.PPID, Name: p.Name[:min(15, len(p.Name))], Path: p.Path, CommandLine: p.CommandLine,
		EPROCESS: p.eprocess.va, EPROCESSPhys: int64(phys), DTB: p.member("Pcb.DirectoryTableBase"),
		UserDTB: p.member("Pcb.UserDirectoryTableBase"), PEB: p.peb, PEB32: p.peb32, Base: p.base,
		SectionObject: p.member("SectionObject"), Created: p.Created, Exited: p.Exited, Listed: !p.Hidden,
		Dead: p.Dead, Reused: p.Reused, Wow64: p.Wow64, Minimal: p.Minimal, peb: p.PEB,
	}
	if !p.Dead {
		t.VADs = len(p.vads)
	}
	for _, m := range p.loaded {
		t.Modules = append(t.Modules, m.truth())
	}
	t.Regions = p.regions
	if len(p.loaded) > 0 {
		s := p.loaded[0].section
		t.Size, t.ControlArea, t.FileObject, t.File, t.Pages = s.im.size, s.control, s.file, s.exe.File, t.Modules[0].Pages
		if s.cache != nil {
			t.DataArea = s.cache.control
		}
	}
	return t
}

// member reads a member of the process object, at most pointer-sized.
func (p *proc) member(name string) uint64 {
	r := p.eprocess
	va, ok := r.at(name)
	if !ok {
		return 0
	}
	return getN(r.s.read(va, r.l.ptr), 0, r.l.ptr)
}

func (m *loaded) truth() ModuleTruth {
	t := ModuleTruth{Path: m.Path, Base: m.Base, Size: m.im.size, Bits: m.bits, Unlinked: m.Unlinked, File: m.section.exe.File}
	for _, p := range m.pages {
		t.Pages = append(t.Pages, p.settled())
	}
	return t
}

// settled fills in the facts that were decided after the page was placed.
func (p PageTruth) settled() PageTruth {
	proto := p.section.protos[p.page]
	p.Under, p.NoProto = UnderDisk, proto.none
	if proto.set {
		p.Under = proto.under
	}
	if proto.pfn != 0 {
		p.Section = int64(proto.pfn << pageShift)
	}
	if file, ok := p.section.filePage(p.page); ok && p.section.cache != nil {
		_, p.Cached = p.section.cache.pages[file]
	}
	return p
}

// filePage is the page of the file that a page of the image begins in.
func (s *section) filePage(page int) (int, bool) {
	i := s.im.section(page)
	if i < 0 {
		return page, uint32(page)*pageSize < s.im.headers
	}
	sec := s.im.sections[i]
	off := uint32(page)*pageSize - sec.va
	if off >= sec.rawSize {
		return 0, false
	}
	return int(sec.raw+off) / pageSize, true
}
