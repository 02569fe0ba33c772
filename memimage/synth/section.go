package synth

// section is an executable's image section: control area, segment, one
// subsection for the headers and one for each section of the file, and a
// prototype PTE per page.
type section struct {
	b        *builder
	exe      *Executable
	im       *image
	content  []byte // the content of the shared pages
	base     uint64 // the address they are relocated for
	control  uint64
	segment  uint64
	subs     []subsection
	protos   []proto
	table    uint64 // address of the first prototype PTE
	file     uint64 // _FILE_OBJECT
	pointers uint64 // _SECTION_OBJECT_POINTERS
	path     string
	cache    *fileCache
	sizes    FileSizes
	stride   uint64
}

// subsection is a run of pages of an image section.
type subsection struct {
	va           uint64
	first, pages int
	raw, rawSize uint32
}

// proto is a prototype PTE.
type proto struct {
	set   bool
	under Under
	none  bool
	pfn   uint64
	sub   uint64 // its subsection's address
	slot  uint64 // page file offset in pages
	entry uint64 // of a page in the compression store
}

// sectionFor is the section of an executable, made when it is first mapped.
// From Windows Vista on the kernel relocates the section itself.
func (b *builder) sectionFor(exe *Executable, path string, base uint64) *section {
	if s, ok := b.sections[exe]; ok {
		return s
	}
	im, err := parseImage(exe.File)
	if err != nil {
		panic(buildError{err})
	}
	s := &section{b: b, exe: exe, im: im, content: im.mapped(), base: im.base, path: path, stride: uint64(b.mode.entry)}
	if b.l.build >= 6000 && base != 0 && base != im.base {
		im.relocate(s.content, im.base, base)
		im.setBase(s.content, base)
		s.base = base
	}
	s.protos = make([]proto, im.pages())
	b.sections[exe] = s
	b.order = append(b.order, s)
	s.allocate()
	return s
}

// allocate reserves the addresses of the section's structures.
func (s *section) allocate() {
	l := s.b.l
	s.split()
	area, each := l.size("_CONTROL_AREA"), l.size("_SUBSECTION")
	s.control = s.b.nonpaged.alloc("MmCa", area+each*len(s.subs))
	for i := range s.subs {
		s.subs[i].va = s.control + uint64(area+i*each)
		for page := range s.subs[i].pages {
			s.protos[s.subs[i].first+page].sub = s.subs[i].va
		}
	}
	s.segment = s.b.pagedP.alloc("MmSt", l.size("_SEGMENT"))
	s.table = s.b.pagedP.alloc("MmSt", len(s.protos)*int(s.stride))
	s.allocateFile()
}

// split makes the subsections: the header's and the sections'.
func (s *section) split() {
	next := 1
	if len(s.im.sections) > 0 {
		next = int(s.im.sections[0].va >> pageShift)
	}
	s.subs = []subsection{{first: 0, pages: min(next, len(s.protos)), rawSize: s.im.headers}}
	for i, sec := range s.im.sections {
		first, end := int(sec.va>>pageShift), len(s.protos)
		if i+1 < len(s.im.sections) {
			end = int(s.im.sections[i+1].va >> pageShift)
		}
		if first < end {
			s.subs = append(s.subs, subsection{first: first, pages: end - first, raw: sec.raw, rawSize: sec.rawSize})
		}
	}
}

// want decides the state of a page's prototype, unless it is decided already, and returns it.
func (s *section) want(page int, u Under) Under {
	p := &s.protos[page]
	if p.set {
		return p.under
	}
	*p = proto{set: true, under: u, sub: p.sub}
	switch u.plain() {
	case UnderValid, UnderTransition:
		p.pfn = s.b.m.alloc()
		s.b.m.write(p.pfn<<pageShift, s.bytes(page))
	case UnderPageFile:
		p.slot = s.b.pageOut(s.bytes(page))
	case UnderCompressed:
		p.entry = s.b.compress(s.bytes(page), u.Kind(), protExecWriteCopy, 0, s.protoVA(page))
	}
	return u
}

// wantNone makes a page's prototype zero: there is no such page.
func (s *section) wantNone(page int) {
	if !s.protos[page].set {
		s.protos[page] = proto{set: true, none: true, under: UnderDisk, sub: s.protos[page].sub}
	}
}

func (s *section) bytes(page int) []byte { return s.content[page*pageSize : (page+1)*pageSize] }

// seen is the page that a prototype leads to; ok is false if that page is not in memory. Zero pages are in memory by
// definition.
func (s *section) seen(page int) (content []byte, pfn uint64, ok bool) {
	switch p := s.protos[page]; p.under.plain() {
	case UnderValid, UnderTransition:
		return s.bytes(page), p.pfn, true
	case UnderCompressed:
		return p.under.Kind().content(s.bytes(page)), 0, false
	case UnderZero:
		return make([]byte, pageSize), 0, true
	}
	return nil, 0, false
}

// protoVA is the address of a page's prototype PTE.
func (s *section) protoVA(page int) uint64 { return s.table + uint64(page)*s.stride }

// finish writes the structures, when everything is decided.
func (s *section) finish() {
	s.writeProtos()
	s.writeControlArea()
	for i := range s.subs {
		s.writeSubsection(i)
	}
	s.writeSegment()
	s.finishFile()
}

func (s *section) writeProtos() {
	soft := s.b.softPTE()
	for page := range s.protos {
		s.b.k.write(s.protoVA(page), le(s.protoEntry(soft, page), int(s.stride)))
	}
}

// protoEntry is the prototype PTE of a page.
func (s *section) protoEntry(soft softPTE, page int) uint64 {
	p := s.protos[page]
	switch {
	case p.none:
		return 0
	case !p.set || p.under == UnderDisk:
		return soft.subsection(p.sub)
	case p.under == UnderValid:
		return p.pfn<<pageShift | pteValid | pteAccessed | pteGlobal
	case p.under == UnderTransition:
		return soft.transition(p.pfn, protExecWriteCopy)
	case p.under == UnderPageFile:
		return soft.pageFile(s.b.PageFile, p.slot, protExecWriteCopy)
	case p.under.plain() == UnderCompressed:
		return p.entry
	}
	return soft.demandZero(protExecWriteCopy)
}

// writeControlArea writes _CONTROL_AREA. FilePointer is an _EX_FAST_REF from
// Vista on: its low bits count references.
func (s *section) writeControlArea() {
	r := s.b.record("_CONTROL_AREA", s.control)
	r.set("Segment", s.segment)
	r.list("DereferenceList")
	r.list("ListHead")
	r.set("NumberOfSectionReferences", 1)
	r.set("NumberOfPfnReferences", s.present())
	r.set("NumberOfMappedViews", 1)
	r.set("NumberOfSubsections", uint64(len(s.subs)))
	r.set("u2.e2.NumberOfSubsections", uint64(len(s.subs)))
	r.set("NumberOfUserReferences", 2)
	r.set("u", 0xa0) // _MMSECTION_FLAGS: Image and File
	r.set("FilePointer", s.b.fastRef(s.file))
}

func (s *section) present() (n uint64) {
	for _, p := range s.protos {
		if p.pfn != 0 {
			n++
		}
	}
	return n
}

// fastRef is a pointer as an _EX_FAST_REF holds it, if the member is one.
func (b *builder) fastRef(va uint64) uint64 {
	if f, ok := b.l.Field("_CONTROL_AREA.FilePointer"); ok && f.Type == "_EX_FAST_REF" {
		return va | 7
	}
	return va
}

// writeSubsection writes _SUBSECTION.
func (s *section) writeSubsection(i int) {
	sub := s.subs[i]
	r := s.b.record("_SUBSECTION", sub.va)
	r.set("ControlArea", s.control)
	r.set("SubsectionBase", s.protoVA(sub.first))
	r.set("PtesInSubsection", uint64(sub.pages))
	r.set("StartingSector", uint64(sub.raw/512))
	r.set("NumberOfFullSectors", uint64(sub.rawSize/512))
	r.set("u.SubsectionFlags.SectorEndOffset", uint64(sub.rawSize%512))
	r.set("u.SubsectionFlags.Protection", protExecWriteCopy)
	switch {
	case i+1 < len(s.subs):
		r.set("NextSubsection", s.subs[i+1].va)
	case s.b.Hostile.WildVADs:
		r.set("NextSubsection", sub.va)
	}
}

// writeSegment writes _SEGMENT.
func (s *section) writeSegment() {
	r := s.b.record("_SEGMENT", s.segment)
	r.set("ControlArea", s.control)
	r.set("TotalNumberOfPtes", uint64(len(s.protos)))
	r.set("NonExtendedPtes", uint64(len(s.protos)))
	r.set("SizeOfSegment", uint64(len(s.protos)*pageSize))
	r.set("BasedAddress", s.base)
	r.set("PrototypePte", s.table)
}

// object makes a section object on the section, as a process has it: _SECTION from Windows 10 on. Windows 8 has it
// too, but its profiles describe it as the older _SECTION_OBJECT, whose Segment has the place of the control area.
func (s *section) object() uint64 {
	b, target := s.b, s.segment
	if b.SegmentIsArea || b.l.build >= 9200 {
		target = s.control
	}
	name, member := "_SECTION", "u1"
	n := b.l.optionalSize(name)
	if n == 0 {
		name, member = "_SECTION_OBJECT", "Segment"
		n = b.l.size(name) + 0x10
	}
	va := b.object(b.pagedP, "Sect", typeSection, n)
	r := b.record(name, va)
	r.bytes(member, le(target, b.l.ptr))
	r.set("SizeOfSection", uint64(len(s.protos)*pageSize))
	return va
}
