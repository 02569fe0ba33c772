package synth

import (
	"bytes"
	"fmt"
)

// load maps a process's image and modules, binds them, and writes its PEB.
func (b *builder) load(p *proc) {
	b.openImages(p)
	for _, m := range p.loaded {
		b.mapModule(p, m)
	}
	b.addRegions(p)
	main := p.loaded[0]
	p.base = main.Base
	p.eprocess.set("SectionBaseAddress", main.Base)
	if !p.Dead && !p.NoSection {
		p.eprocess.set("SectionObject", main.section.object())
	}
	if !p.Dead {
		p.eprocess.setFirst(main.section.file, "ImageFilePointer")
		b.buildPEB(p)
		b.addThreads(p)
	}
	b.retireTables(p)
}

// openImages finds the section of each image and decides at which address it is loaded.
func (b *builder) openImages(p *proc) {
	modules := append([]Module{{Image: p.Image, Path: p.Path, Base: p.Base, Pages: p.Pages, Private: p.Private, Protect: p.Protect}}, p.Modules...)
	for _, m := range modules {
		s := b.sectionFor(m.Image, m.Path, m.Base)
		if m.Base == 0 {
			m.Base = s.base
		}
		p.loaded = append(p.loaded, &loaded{Module: m, im: s.im, section: s, bits: s.im.bits})
	}
}

// mapModule maps one image and makes its VAD.
func (b *builder) mapModule(p *proc, m *loaded) {
	v := view{b: b, p: p, m: m, content: bytes.Clone(m.section.content)}
	if m == p.loaded[0] {
		defer m.section.cacheFor(p)
	}
	if m.AsData {
		b.mapData(p, m)
		return
	}
	if m.Private || p.Unmapped && m == p.loaded[0] {
		v.placeUnbacked()
		return
	}
	v.change(m == p.loaded[0])
	if m.Mangle != nil {
		m.Mangle(v.content)
		v.noteChanged()
	}
	m.pages = make([]PageTruth, m.im.pages())
	for page := range m.pages {
		m.pages[page] = v.place(page)
	}
	if !(p.Orphan && m == p.loaded[0]) {
		end := m.Base + uint64(m.im.pages()*pageSize) - 1
		p.vads = append(p.vads, vad{start: m.Base, end: end, section: m.section})
	}
}

// cacheFor puts the pages of its file that a process lists as cached into the file cache.
func (s *section) cacheFor(p *proc) {
	if p.Cached == nil {
		return
	}
	s.sizes = p.Sizes
	for page := range s.filePages() {
		if p.Cached(page) {
			s.cachePage(page)
		}
	}
}

// placeUnbacked lays the image out in private memory, or nowhere.
func (v *view) placeUnbacked() {
	v.private = make(map[int]bool)
	v.m.pages = make([]PageTruth, v.m.im.pages())
	if !v.m.Private {
		for page := range v.m.pages {
			v.m.pages[page] = v.truth(page, None, 0, nil)
		}
		return
	}
	v.note(v.m.im.relocate(v.content, v.m.section.base, v.m.Base))
	v.note(v.m.im.bind(v.content, v.resolve))
	if v.m == v.p.loaded[0] {
		v.changeUnbacked()
	}
	if v.m.Mangle != nil {
		v.m.Mangle(v.content)
	}
	flags := v.b.userFlags(v.m.Protect, v.m.Changed)
	for page := range v.m.pages {
		va := v.m.Base + uint64(page)*pageSize
		v.m.pages[page] = v.placePrivate(page, va, v.unbacked(page), flags)
	}
	end := v.m.Base + uint64(len(v.m.pages)*pageSize) - 1
	v.p.vads = append(v.p.vads, vad{start: v.m.Base, end: end, protect: v.m.Protect})
}

// unbacked is the state of a page of private memory: in memory, or in the compression store.
func (v *view) unbacked(page int) State {
	if v.m.Pages != nil {
		if s := v.m.Pages(page); s.stored() {
			return s
		}
	}
	return Valid
}

// changeUnbacked makes the changes to the program that its process describes.
func (v *view) changeUnbacked() {
	if v.p.Hollow != nil {
		v.hollow(v.p.Hollow)
	}
	if v.p.Mangle != nil {
		v.p.Mangle(v.content)
	}
}

// userFlags are the bits of the entries of private pages.
func (b *builder) userFlags(p Protection, changed bool) uint64 {
	const execute = 2 // the bit of the protections that allow it, and of no other
	if b.NoExecute && b.mode.entry == 8 && p&execute == 0 && !changed {
		return pteUserPage | pteNoExecute
	}
	return pteUserPage
}

// mapData maps a file as data: its pages are in the file cache, and only the VAD leads to them.
func (b *builder) mapData(p *proc, m *loaded) {
	for page := range m.section.filePages() {
		m.section.cachePage(page)
	}
	end := m.Base + uint64(m.section.filePages()*pageSize) - 1
	p.vads = append(p.vads, vad{start: m.Base, end: end, section: m.section, data: true, protect: m.Protect})
}

// addRegions makes the private memory of a process beside its executables.
func (b *builder) addRegions(p *proc) {
	for _, r := range p.Regions {
		t := RegionTruth{VA: r.VA}
		flags := b.userFlags(r.Protect, r.Changed)
		for at := 0; at < len(r.Data); at += pageSize {
			content := make([]byte, pageSize)
			copy(content, r.Data[at:])
			t.Pages = append(t.Pages, b.placeRegion(p, r, at, content, flags))
		}
		p.regions = append(p.regions, t)
		size := alignUp(max(r.Size, uint64(len(r.Data))), pageSize)
		p.vads = append(p.vads, vad{start: r.VA, end: r.VA + size - 1, protect: r.Protect})
	}
}

// placeRegion puts a page of private memory where its state says.
func (b *builder) placeRegion(p *proc, r Region, at int, content []byte, flags uint64) PageTruth {
	state, va := Valid, r.VA+uint64(at)
	if r.Pages != nil {
		state = r.Pages(at / pageSize)
	}
	if _, _, shared := state.shared(); shared {
		panic(buildError{fmt.Errorf("synth: process %d: private memory at %#x in state %s", p.PID, va, state)})
	}
	entry, pfn := b.privateEntry(p, va, state, content, flags)
	p.space.set(va, entry)
	return PageTruth{State: state, Phys: int64(pfn << pageShift), Private: true, content: state.content(content)}
}

// view is an image as one process sees it.
type view struct {
	b       *builder
	p       *proc
	m       *loaded
	content []byte
	private map[int]bool // pages that differ from the section's pages
}

// change makes the changes of loader and program to the image: relocation (XP and Server 2003), imports, written
// data, damage.
func (v *view) change(main bool) {
	v.private = make(map[int]bool)
	if main && v.p.Hollow != nil {
		v.hollow(v.p.Hollow)
	}
	if v.m.Base != v.m.section.base {
		v.note(v.m.im.relocate(v.content, v.m.section.base, v.m.Base))
	}
	v.note(v.m.im.bind(v.content, v.resolve))
	if !main {
		return
	}
	for _, page := range v.p.Written {
		v.scribble(page)
	}
	if v.p.Mangle != nil {
		v.p.Mangle(v.content)
	}
	v.noteChanged()
}

// noteChanged notes the pages that differ from the section's pages.
func (v *view) noteChanged() {
	for page := range v.m.im.pages() {
		if !bytes.Equal(v.content[page*pageSize:(page+1)*pageSize], v.m.section.bytes(page)) {
			v.private[page] = true
		}
	}
}

// hollow lays another program out where the image was, as far as it fits.
func (v *view) hollow(exe *Executable) {
	im, err := parseImage(exe.File)
	if err != nil {
		panic(buildError{err})
	}
	b := im.mapped()
	im.relocate(b, im.base, v.m.Base)
	im.bind(b, v.resolve)
	clear(v.content)
	copy(v.content, b)
}

func (v *view) note(pages map[int]bool) {
	for page := range pages {
		v.private[page] = true
	}
}

// scribble writes a few words into a page, as a program does into its data.
func (v *view) scribble(page int) {
	for i := range 8 {
		putN(v.content, page*pageSize+64+i*24, v.b.m.rng.Uint64(), 8)
	}
}

// resolve is the address of an import.
func (v *view) resolve(dll, name string) uint64 {
	for _, m := range v.p.loaded {
		if m.im.bits == v.m.im.bits && bytes.EqualFold([]byte(baseName(m.Path)), []byte(dll)) {
			return m.Base + uint64(m.im.export(m.section.content, name))
		}
	}
	base := uint64(0x7c800000)
	if v.m.im.bits == 64 {
		base = 0x7ffd12210000
	}
	return base + hash(dll+"!"+name)&0xffff0
}

// place puts a page into the process's address space in the wanted state, and returns the truth about it.
func (v *view) place(page int) PageTruth {
	state := Valid
	if v.m.Pages != nil {
		state = v.m.Pages(page)
	}
	va := v.m.Base + uint64(page)*pageSize
	if way, under, ok := state.shared(); ok {
		return v.placeShared(page, va, way, under)
	}
	if state == Valid && !v.private[page] && v.shareable(page) {
		v.m.section.want(page, UnderValid)
		pfn := v.m.section.protos[page].pfn
		v.p.space.mapPage(va, pfn, pteUserShared)
		return v.truth(page, Valid, pfn, v.m.section.bytes(page))
	}
	v.settle(page, state)
	return v.placePrivate(page, va, state, pteUserPage)
}

// shareable says whether the section holds the page in memory, or may.
func (v *view) shareable(page int) bool {
	p := v.m.section.protos[page]
	return !p.set || p.under == UnderValid
}

// settle decides the prototype of a page if the process has its own copy of the page.
func (v *view) settle(page int, state State) {
	switch {
	case v.p.Section != nil && v.m == v.p.loaded[0]:
		v.m.section.want(page, v.p.Section(page))
	case state == None:
		v.m.section.wantNone(page)
	}
}

func (v *view) placeShared(page int, va uint64, w way, under Under) PageTruth {
	s := v.m.section
	under = s.want(page, under)
	soft := v.b.softPTE()
	switch w {
	case wayProto:
		v.p.space.set(va, soft.prototype(s.protoVA(page)))
	case wayLookup:
		v.p.space.set(va, soft.lookup())
	case wayVAD:
		v.p.space.set(va, 0)
	}
	content, pfn, _ := s.seen(page)
	if under == UnderPageFile {
		content = s.bytes(page)
	}
	t := v.truth(page, sharedState(w, under), pfn, content)
	t.Private = false
	return t
}

// placePrivate gives the process its own copy of a page.
func (v *view) placePrivate(page int, va uint64, state State, flags uint64) PageTruth {
	content := v.content[page*pageSize : (page+1)*pageSize]
	entry, pfn := v.b.privateEntry(v.p, va, state, content, flags)
	v.p.space.set(va, entry)
	return v.truth(page, state, pfn, state.content(content))
}

// privateEntry puts a page of a process where its state says, and returns its page-table entry and the frame that it is
// in, if any. States that are not private are Valid.
func (b *builder) privateEntry(p *proc, va uint64, state State, content []byte, flags uint64) (entry, pfn uint64) {
	soft := b.softPTE()
	switch state.plain() {
	case Transition:
		pfn = b.newFrame(content)
		return soft.transition(pfn, protReadWrite), pfn
	case PageFile:
		return soft.pageFile(b.PageFile, b.pageOut(content), protReadWrite), 0
	case DemandZero:
		return soft.demandZero(protReadWrite), 0
	case Compressed:
		return b.compress(content, state.Kind(), protReadWrite, p.PID, va), 0
	case None:
		return 0, 0
	}
	pfn = b.newFrame(content)
	return pfn<<pageShift | flags, pfn
}

// content is a private page as the process sees it; nil if there is none.
func (s State) content(page []byte) []byte {
	switch s.plain() {
	case DemandZero:
		return make([]byte, pageSize)
	case None:
		return nil
	case Compressed:
		return s.Kind().content(page)
	}
	return page
}

func (b *builder) newFrame(content []byte) uint64 {
	pfn := b.m.alloc()
	b.m.write(pfn<<pageShift, content)
	return pfn
}

func (v *view) truth(page int, state State, pfn uint64, content []byte) PageTruth {
	return PageTruth{
		State: state, Phys: int64(pfn << pageShift), Proto: v.m.section.protoVA(page),
		Lost:    v.b.Hostile.WildVADs || v.p.Orphan && v.m == v.p.loaded[0],
		Private: v.private[page], content: content, page: page, section: v.m.section,
	}
}

// retireTables puts the page tables that map the image out of use: either they are in transition (their frames keep
// them, but the entries above are not valid), or they are in the page file or the compression store.
func (b *builder) retireTables(p *proc) {
	if p.Tables == Valid {
		return
	}
	shift := b.mode.levels[len(b.mode.levels)-2]
	end := p.base + uint64(p.loaded[0].im.pages()*pageSize)
	for va := p.base &^ (1<<shift - 1); va < end; va += 1 << shift {
		slot := p.space.slot(va, shift)
		e := b.m.entry(slot, b.mode.entry)
		b.m.setEntry(slot, b.mode.entry, b.retiredTable(p, va, e&frameMask>>pageShift))
		p.noteTable(va, va+1<<shift)
	}
}

// retiredTable is the entry of the page table of an address, which is in a frame.
func (b *builder) retiredTable(p *proc, va, pfn uint64) uint64 {
	if p.Tables == Transition {
		return b.softPTE().transition(pfn, protReadWrite)
	}
	table := b.m.read(pfn<<pageShift, pageSize)
	delete(b.m.frames, pfn)
	entry, _ := b.privateEntry(p, va, p.Tables, table, 0)
	return entry
}

// noteTable notes the state of the page table in the truth about the pages between two addresses.
func (p *proc) noteTable(start, end uint64) {
	note := func(base uint64, pages []PageTruth) {
		for i := range pages {
			if va := base + uint64(i)*pageSize; va >= start && va < end {
				pages[i].Table = p.Tables
			}
		}
	}
	for _, m := range p.loaded {
		note(m.Base, m.pages)
	}
	for _, r := range p.regions {
		note(r.VA, r.Pages)
	}
}
