package nt

import (
	"strings"
	"time"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// verdict is the answer of a process to an offset for a member.
type verdict int

const (
	silent     verdict = iota
	pro                // the member must be there, or it could hardly look so by chance
	con                // it cannot be there
	impossible         // it cannot be there in any process
	unheard            // a read failed
)

// member is a member of _EPROCESS and how its contents show its place.
type member struct {
	path   string
	what   string // its contents, for a sentence
	test   func(*inference, *sample, profile.Field) verdict
	step   int  // alignment in bytes; 0: a pointer's
	plain  bool // other members may look so, too: it stays unless a process rules it out
	weak   bool // too common a value to be searched: it moved as its neighbours did, or is not used
	needed bool // without it processes cannot be read
	part   *partOf
	// together counts the objections to an offset from looking at all processes together; may be nil.
	together func(*inference, profile.Field) int
}

// bears reports whether other members depend on it: where it is wrong, they are wrong, too.
func (m *member) bears() bool { return m.needed || m.part != nil }

// partOf are the structures that a member leads to, which another build may share with this one.
type partOf struct {
	structures []string
	take       func(to, from *layout)
}

var (
	descriptors = &partOf{[]string{"_MMVAD", "_MMVAD_SHORT", "_MMVAD_FLAGS", "_MM_AVL_TABLE", "_MM_AVL_NODE", "_MMADDRESS_NODE", "_RTL_BALANCED_NODE", "_RTL_AVL_TREE"},
		func(to, from *layout) { to.VAD = from.VAD }}
	sections = &partOf{[]string{"_SECTION_OBJECT", "_SECTION", "_SEGMENT", "_CONTROL_AREA", "_MMSECTION_FLAGS", "_SUBSECTION", "_MMSUBSECTION_FLAGS"},
		func(to, from *layout) { to.Section.sectionMembers = from.Section.sectionMembers }}
)

// members are the members to infer, in this order: some help to find others.
var members = []member{
	{path: "_EPROCESS.Pcb.DirectoryTableBase", what: "page tables that map the process itself", test: (*inference).isDTB, needed: true},
	{path: "_EPROCESS.Peb", what: "an environment block that leads to an executable", test: (*inference).isPEB, needed: true},
	{path: "_EPROCESS.SectionBaseAddress", what: "the environment block's image base", test: (*inference).isBase},
	{path: "_EPROCESS.InheritedFromUniqueProcessId", what: "the id of another process", test: (*inference).isParent, plain: true},
	{path: "_EPROCESS.CreateTime", what: "a time before the image was taken", test: (*inference).isCreation, step: 8, together: (*inference).creationsClash, plain: true},
	{path: "_EPROCESS.ExitTime", what: "a time after creation in processes that are gone", test: (*inference).isExit, step: 8},
	{path: "_EPROCESS.SectionObject", what: "the section of an executable", test: (*inference).isSection, part: sections},
	{path: "_EPROCESS.VadRoot", what: "a tree that holds the image base", test: (*inference).isVADs, part: descriptors},
	{path: "_EPROCESS.SeAuditProcessCreationInfo", what: "a path that ends with the process's name", test: (*inference).isAudit},
	{path: "_EPROCESS.ImageFilePointer", what: "a file of the process's name", test: (*inference).isFile},
	{path: "_EPROCESS.ThreadListHead", what: "a list", test: (*inference).isThreads, plain: true},
	{path: "_EPROCESS.ActiveThreads", what: "a small number", test: (*inference).isThreadCount, step: 4, weak: true},
	{path: "_EPROCESS.WoW64Process", what: "a 32-bit environment block", test: (*inference).isWow64},
	{path: "_EPROCESS.Wow64Process", what: "a 32-bit environment block", test: (*inference).isWow64},
	{path: "_EPROCESS.Session", what: "a session", test: (*inference).isSession, weak: true},
	{path: "_EPROCESS.PicoContext", what: "nothing in a process with an environment block", test: (*inference).isPico, weak: true},
	{path: "_EPROCESS.Minimal", what: "nothing in a process with an environment block", test: (*inference).isMinimal, weak: true},
}

// learn stores for each process the facts that the member at an offset gives.
func (in *inference) learn(m member, off profile.Offset) {
	for _, s := range in.samples {
		before := in.k.faults.Count()
		switch m.path {
		case "_EPROCESS.Pcb.DirectoryTableBase":
			s.space = in.space(s, off)
		case "_EPROCESS.Peb":
			s.peb = s.r.ptr(off)
			s.base, _ = in.imageBase(s, s.peb)
		case "_EPROCESS.InheritedFromUniqueProcessId":
			s.ppid = uint64(s.r.ptr(off))
		case "_EPROCESS.CreateTime":
			s.created, _ = s.r.time(off)
		case "_EPROCESS.SectionObject":
			s.file = in.sectionFile(s.r.ptr(off))
		}
		s.partial = s.partial || in.k.faults.Count() != before
	}
}

// sectionFile returns the file of a section object; 0 where the object cannot be followed.
func (in *inference) sectionFile(section paging.Virt) paging.Virt {
	area, err := in.k.sectionArea(section)
	if section == 0 || err != nil {
		return 0
	}
	s, err := in.k.openSection(area)
	if err != nil {
		return 0
	}
	return s.File
}

func when(ok bool) verdict {
	if ok {
		return pro
	}
	return con
}

// unless returns con when an offset is odd, and never pro.
func unless(odd bool) verdict {
	if odd {
		return con
	}
	return silent
}

func at(f profile.Field) profile.Offset { return profile.Offset(f.Offset) }

func (in *inference) space(s *sample, off profile.Offset) *paging.Space {
	return paging.NewSpace(in.k.Mode, in.k.cache, paging.Phys(s.r.ptr(off)), in.k.soft)
}

// isDTB: page tables must map the process's own structure to its place. On kernels with two sets of page tables, the
// page tables for user mode do not.
func (in *inference) isDTB(s *sample, f profile.Field) verdict {
	v := s.r.ptr(at(f))
	dtb := paging.Phys(v) & paging.Phys(in.k.Mode.RootMask)
	if dtb == 0 && !s.system() {
		return silent
	}
	if dtb == 0 || int64(dtb) >= in.k.mem.Size() || in.k.Mode.Signed && in.k.Mode.IsSystem(v) {
		return con
	}
	page, err := in.space(s, at(f)).Translate(s.va)
	ok := err == nil && paging.Virt(page.Off)+s.va-page.VA == s.pa
	if !ok && s.system() {
		return impossible
	}
	return when(ok)
}

// isUser reports whether a page can begin at va in user space.
func (in *inference) isUser(va paging.Virt) bool {
	return va >= 0x10000 && va&0xfff == 0 && int64(va) > 0 && int64(va) < in.k.Mode.UserSpace()
}

// imageBase reads the base of the executable from the environment block at peb; the verdict is on that address.
func (in *inference) imageBase(s *sample, peb paging.Virt) (paging.Virt, verdict) {
	if s.space == nil || peb == 0 {
		return 0, silent
	}
	m := memory{s.space, in.k.kernel.pointer}
	base, err := m.ptr(peb + paging.Virt(in.k.layout.PEB.ImageBase))
	if err != nil {
		return 0, silent
	}
	if !in.isUser(base) {
		return 0, con
	}
	head, err := m.record(base, 2)
	if err != nil {
		return base, silent
	}
	return base, when(head.u16(0) == 0x5a4d)
}

func (in *inference) isPEB(s *sample, f profile.Field) verdict {
	peb := s.r.ptr(at(f))
	switch {
	case peb == 0:
		return silent
	case s.system():
		return impossible
	case !in.isUser(peb):
		return con
	}
	_, v := in.imageBase(s, peb)
	return v
}

func (in *inference) isBase(s *sample, f profile.Field) verdict {
	v := s.r.ptr(at(f))
	switch {
	case v == 0 && s.base == 0:
		return silent
	case v != 0 && s.system():
		return impossible
	case s.base == 0:
		return unless(!in.isUser(v)) // a page of user space proves nothing
	}
	return when(v == s.base)
}

// clock is the time that the image was taken, with a day to spare, or far in the future when that is not known.
func (in *inference) clock() time.Time {
	if in.k.SystemTime.IsZero() {
		return time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return in.k.SystemTime.AddDate(0, 0, 1)
}

// isCreation: System's time, which is zero in some versions, proves nothing of other processes'.
func (in *inference) isCreation(s *sample, f profile.Field) verdict {
	t, ok := s.r.time(at(f))
	zero := !ok && s.r.u(at(f), 8) == 0
	switch {
	case zero && (s.base == 0 || s.system()):
		return silent
	case s.system():
		return unless(!ok || !t.Before(in.clock()))
	}
	return when(ok && t.Before(in.clock()))
}

// creationsClash counts the processes that would have been created at the same time as another one or before their
// parent. The id of an exited parent may belong to another process, but that is rare.
func (in *inference) creationsClash(f profile.Field) int {
	created, byID := map[time.Time]int{}, map[uint64]*sample{}
	for _, s := range in.samples {
		byID[s.pid] = s
		if t, ok := s.r.time(at(f)); ok && !s.system() {
			created[t]++
		}
	}
	clashes := 0
	for _, n := range created {
		clashes += n - 1
	}
	for _, s := range in.samples {
		parent := byID[s.ppid]
		if parent == nil || parent == s {
			continue
		}
		t, ok := s.r.time(at(f))
		if before, known := parent.r.time(at(f)); ok && known && t.Before(before) {
			clashes++
		}
	}
	return clashes
}

// isExit: processes that have their environment block have not exited, and no process exits when it is created. The
// header of an exited process is signaled for waiting threads.
func (in *inference) isExit(s *sample, f profile.Field) verdict {
	t, ok := s.r.time(at(f))
	switch {
	case !ok && s.r.u(at(f), 8) == 0:
		return silent
	case s.system() || !ok || s.base != 0 || !t.After(s.created) || !t.Before(in.clock()):
		return con
	case in.k.layout.Dispatcher.Signal.Present() && s.r.u32(in.k.layout.Dispatcher.Signal) == 0:
		return silent
	}
	return pro
}

func (in *inference) isParent(s *sample, f profile.Field) verdict {
	v := uint64(s.r.ptr(at(f)))
	switch {
	case s.system() && v != 0:
		return impossible
	case s.system():
		return silent
	case !plausibleID(v) || v == s.pid:
		return con
	case in.pids[v]:
		return pro
	}
	return silent
}

// kernelPointer reads a member that holds 0 or an address in the kernel's half.
func (in *inference) kernelPointer(s *sample, off profile.Offset) (va paging.Virt, v verdict) {
	va = s.r.ptr(off)
	if va == 0 {
		return 0, silent
	}
	return va, when(in.k.inKernelSpace(va))
}

func (in *inference) isSection(s *sample, f profile.Field) verdict {
	va, v := in.kernelPointer(s, at(f))
	if v != pro {
		return v
	}
	area, err := in.k.sectionArea(va)
	if err != nil {
		return con
	}
	section, err := in.k.openSection(area)
	if err != nil || !in.work.spend(nodeWork*int64(len(section.Subsections))) {
		return con
	}
	return when(section.Image)
}

// isVADs: the tree is in order, and one of its descriptors begins at the image base.
func (in *inference) isVADs(s *sample, f profile.Field) verdict {
	root := in.k.vadRootAt(s.r, f)
	if root == 0 {
		return unless(s.base != 0)
	}
	const table = 0x40 // bytes of an _MM_AVL_TABLE at most
	if own := s.va + paging.Virt(f.Offset); root-own < table {
		return con // the node of the table itself
	}
	if v, _, _, err := in.k.vad(root); err != nil || !in.k.inKernelSpace(root) || v.End > paging.Virt(in.k.Mode.UserSpace()) {
		return con
	}
	const most = 1 << 10
	n, end, holds, replaced := 0, paging.Virt(0), false, false
	for v, err := range (&Process{kernel: in.k, vadRoot: root}).VADs() {
		if err != nil || v.Start < end {
			return con
		}
		if v.Start == s.base && s.base != 0 {
			replaced = v.Private && !in.isMapping(in.asMapping(v)) // as in a hollowed process
			if holds = in.isMapping(v); !holds && !replaced {
				return con
			}
		}
		if end, n = v.End, n+1; n == most || !in.work.spend(nodeWork) {
			return silent
		}
	}
	if s.base == 0 {
		return unless(s.system())
	}
	if replaced {
		return silent
	}
	return when(holds)
}

// asMapping reads a descriptor as mapped memory, whatever its flags say: the flags may lie elsewhere in the kernel's
// version.
func (in *inference) asMapping(v VAD) VAD {
	l := &in.k.layout.VAD
	if r, err := in.k.kernel.sparseRecord(v.VA, in.k.vadSize()); err == nil {
		v.Private = false
		v.readMapping(r, l)
	}
	return v
}

// isMapping checks that a descriptor of an executable leads to prototype entries: the entries of its first subsection,
// or, where the structures of sections are not known, at most as many as it has pages.
func (in *inference) isMapping(v VAD) bool {
	size := paging.Virt(in.k.Mode.EntrySize)
	if v.Private || !in.k.inKernelSpace(v.FirstProto) || v.FirstProto%size != 0 {
		return false
	}
	if _, err := in.k.kernel.ptr(v.FirstProto); err != nil {
		return false
	}
	if area, err := in.k.vadArea(v); err == nil {
		first, err := in.k.kernel.ptr(in.k.firstSubsection(area) + paging.Virt(in.k.layout.Section.SubBase))
		return err == nil && first == v.FirstProto
	}
	return v.lastProto >= v.FirstProto && (v.lastProto-v.FirstProto)/size < (v.End-v.Start)>>12
}

// isNamed reports whether a path ends with the process's name, which may have been cut.
func (s *sample) isNamed(path string) verdict {
	i := strings.LastIndexByte(path, '\\')
	if i < 0 || s.name == "" && i == len(path)-1 {
		return when(i >= 0)
	}
	return when(s.name != "" && strings.HasPrefix(strings.ToLower(path[i+1:]), strings.ToLower(s.name)))
}

// pathAt reads a possible _UNICODE_STRING with a path; false when there is none.
func (in *inference) pathAt(va paging.Virt) (string, bool) {
	const longest = 0x1000 // bytes
	l := &in.k.layout.String
	n, err := in.k.kernel.u32(va + paging.Virt(l.Length)) // MaximumLength follows
	if length := n & 0xffff; err != nil || length%2 != 0 || length > n>>16 || length > longest {
		return "", false
	}
	path, err := in.k.kernel.unicodeString(va, in.k.layout)
	return path, err == nil
}

func (in *inference) isAudit(s *sample, f profile.Field) verdict {
	va, v := in.kernelPointer(s, at(f))
	if v != pro {
		return v
	}
	if !in.k.layout.ObjectName.Present() {
		return con
	}
	path, ok := in.pathAt(va + paging.Virt(in.k.layout.ObjectName))
	switch {
	case !ok:
		return con
	case path == "":
		return silent
	}
	return s.isNamed(path)
}

func (in *inference) isFile(s *sample, f profile.Field) verdict {
	va, v := in.kernelPointer(s, at(f))
	if v != pro {
		return v
	}
	if s.file != 0 {
		return when(va&^7 == s.file) // the pointer's low bits count references
	}
	path, ok := in.pathAt(va + paging.Virt(in.k.layout.Section.FileName))
	if !ok || path == "" {
		return con
	}
	return s.isNamed(path)
}

// isThreads checks for a list with entries other than processes.
func (in *inference) isThreads(s *sample, f profile.Field) verdict {
	head := s.va + paging.Virt(f.Offset)
	first, v := in.kernelPointer(s, at(f))
	switch {
	case v != pro || in.k.checkNeighbours(head) != nil:
		return con
	case first == head:
		return silent
	}
	for _, other := range in.samples {
		if first == other.va+paging.Virt(f.Offset) {
			return con
		}
	}
	return pro
}

func (in *inference) isThreadCount(s *sample, f profile.Field) verdict {
	n := s.r.u32(at(f))
	if n == 0 && s.base == 0 {
		return silent
	}
	return when(n != 0 && n < 1<<14)
}

func (in *inference) isWow64(s *sample, f profile.Field) verdict {
	v := s.r.ptr(at(f))
	if v == 0 {
		return silent
	}
	if s.base == 0 || s.space == nil {
		return con
	}
	peb, ok := in.k.wow64PEB(v)
	if !ok || !in.isUser(peb) || peb>>32 != 0 {
		return con
	}
	const imageBase = 8 // of a 32-bit PEB
	base, err := memory{s.space, 4}.ptr(peb + imageBase)
	if err != nil {
		return silent
	}
	return when(base == s.base)
}

func (in *inference) isSession(s *sample, f profile.Field) verdict {
	_, v := in.kernelPointer(s, at(f))
	return v
}

func (in *inference) isPico(s *sample, f profile.Field) verdict {
	va, v := in.kernelPointer(s, at(f))
	if v == pro {
		return unless(s.peb != 0 || va&7 != 0)
	}
	return v
}

func (in *inference) isMinimal(s *sample, f profile.Field) verdict {
	minimal, _ := s.r.field(f)
	switch {
	case minimal == 0:
		return silent
	case s.peb != 0:
		return impossible
	}
	return pro
}
