package restore_test

import (
	"errors"
	"io"
	"math/rand/v2"

	"memlens/memimage/restore"
	"memlens/memimage/sparse"
)

// view says which pages of an image a memory image has: pages of the section, the process's own, and the file's in
// the file cache. Each function says whether the page at an RVA or a file offset is present; nil says that none is.
type view struct {
	name     string
	section  func(m *image, at int64) bool
	own      func(m *image, at int64) bool
	file     func(m *image, at int64) bool
	asOwn    bool         // the section cannot be found: its pages are seen as the process's only
	fileSize bool         // the file's size is known
	kind     restore.Kind // of the process's pages
	dirty    bool         // the cached pages of the file are modified ones
	tamper   func(m *image, rng *rand.Rand)
	lie      bool                          // the headers lie: the size of the file may be wrong
	demand   bool                          // the process's pages of zeros have no frame
	noBase   bool                          // the address that the pages are relocated to is not known
	unbacked bool                          // no file is mapped: a program has laid the image out
	broken   func(m *image, at int64) bool // section pages that the disk fails to read
	damaged  func(m *image, at int64) bool // pages with a hole in the middle, of a damaged memory image
}

func every(*image, int64) bool { return true }

// notOwn picks the section's pages that the process has no copy of: only such pages get trimmed.
func notOwn(m *image, at int64) bool { return m.own[at] == nil }

func headerPage(_ *image, at int64) bool { return at == 0 }

func notHeader(_ *image, at int64) bool { return at != 0 }

func notHeaderHalf(m *image, at int64) bool { return at != 0 && some(12, 50)(m, at) }

// cutTable picks all pages but the last one of the table of relocations.
func cutTable(m *image, at int64) bool {
	dir := m.dirs[dirRelocation]
	return at != (int64(dir.rva)+int64(dir.size)-1)&^(page-1)
}

// some picks pages by chance, and always the first: without it nothing can be restored.
func some(seed uint64, percent uint64) func(*image, int64) bool {
	return func(_ *image, at int64) bool {
		if at == 0 {
			return true
		}
		x := (uint64(at)>>12 + 1) * 0x9e3779b97f4a7c15 * (2*seed + 1)
		x ^= x >> 29
		x *= 0xbf58476d1ce4e5b9
		return (x^x>>32)%100 < percent
	}
}

var views = []view{
	{name: "all pages", section: every, own: every},
	{name: "section only", section: every},
	{name: "as one process sees it", own: every, asOwn: true},
	{name: "page file", own: every, asOwn: true, kind: restore.PageFile},
	{name: "section trimmed where written", section: notOwn, own: every},
	{name: "30% of section", section: some(1, 30), own: every},
	{name: "70% of section", section: some(2, 70), own: some(3, 80)},
	{name: "80% of section, some own", section: some(4, 80), own: some(5, 50)},
	{name: "50% as process", own: some(6, 50), asOwn: true},
	{name: "file cache", file: every, fileSize: true},
	{name: "file cache, size not known", file: every},
	{name: "file cache, modified", file: every, dirty: true, fileSize: true, section: every, own: every},
	{name: "half of file cache", file: some(7, 50), fileSize: true, section: some(8, 70), own: every},
	{name: "half of file cache, size not known", file: some(9, 50), section: notOwn, own: every},
	{name: "file cache but the header", file: notHeader, section: every, own: every},
	{name: "half of file cache but the header", file: notHeaderHalf, section: notOwn, own: every, fileSize: true},
	{name: "file's header page", file: headerPage, section: every, own: every},
	{name: "file's header page, trimmed", file: headerPage, section: notOwn, own: every, fileSize: true},
	{name: "file's header page, table cut", file: headerPage, section: cutTable},
	{name: "no header page", section: func(_ *image, at int64) bool { return at != 0 }, own: every},
	{name: "bases not known", section: notOwn, own: every, noBase: true},
	{name: "damaged pages", section: every, own: every, damaged: some(10, 40)},
	{name: "damaged cache", section: every, own: every, file: every, damaged: some(11, 40)},
	{name: "hook in code", section: notOwn, own: every, tamper: hookCode},
	{name: "hook in code, as process", own: every, asOwn: true, tamper: hookCode},
	{name: "hook in code, section there", section: every, own: every, tamper: hookCode},
	{name: "hook in imports", section: notOwn, own: every, tamper: hookImport},
	{name: "page of zeros", section: notOwn, own: every, tamper: zeroPage, lie: true},
	{name: "page of zeros without a frame", section: notOwn, own: every, tamper: zeroPage, lie: true, demand: true},
	{name: "header erased", section: notOwn, own: every, tamper: eraseHeader, lie: true},
	{name: "header erased, section there", section: every, own: every, tamper: eraseHeader},
	{name: "header keeps base", section: notOwn, own: every, tamper: keepBase},
	{name: "mapped by hand", own: every, asOwn: true, unbacked: true, tamper: keepBase},
	{name: "mapped by hand, hooked", own: every, asOwn: true, unbacked: true, tamper: hookCode},
	{name: "header lies of base", section: notOwn, own: every, tamper: lieBase},
	{name: "header lies of sections", section: notOwn, own: every, tamper: lieSections, lie: true},
	{name: "header lies of flags", section: notOwn, own: every, tamper: lieFlags, lie: true},
	{name: "lying relocations", section: notOwn, own: every, tamper: lieRelocations},
	{name: "lying lookup table", section: notOwn, own: every, tamper: lieLookup},
	{name: "pointers tampered with", section: notOwn, own: every, tamper: tamperPointers},
}

// pageBytes is a page of memory, all of it present.
type pageBytes []byte

func (p pageBytes) Size() int64 { return int64(len(p)) }

func (p pageBytes) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(p)) {
		return 0, io.EOF
	}
	if n := copy(b, p[off:]); n < len(b) {
		return n, io.EOF
	}
	return len(b), nil
}

func (p pageBytes) Probe(off int64) (int64, error) {
	if off >= int64(len(p)) {
		return 0, io.EOF
	}
	return int64(len(p)) - off, nil
}

// holed is a page with 512 bytes missing.
type holed struct{ pageBytes }

const holeAt, holeEnd = 0x600, 0x800

func (p holed) ReadAt(b []byte, off int64) (int, error) {
	n := int64(len(b))
	switch {
	case off >= holeEnd || off+n <= holeAt:
		return p.pageBytes.ReadAt(b, off)
	case off < holeAt:
		n, _ := p.pageBytes.ReadAt(b[:holeAt-off], off)
		return n, &sparse.HoleError{Off: holeAt, Len: holeEnd - holeAt}
	}
	return 0, &sparse.HoleError{Off: off, Len: holeEnd - off}
}

func (p holed) Probe(off int64) (int64, error) {
	switch {
	case off < holeAt:
		return holeAt - off, nil
	case off < holeEnd:
		return holeEnd - off, &sparse.HoleError{Off: off, Len: holeEnd - off}
	}
	return p.pageBytes.Probe(off)
}

// input returns the image as a restoration gets it.
func (v *view) input(m *image) restore.Input {
	in := restore.Input{PageCount: len(m.has), LoadBase: m.load, KernelRelocates: m.kernel,
		ByRVA: func(rva uint32) []restore.Page { return v.candidates(m, int64(rva)) }}
	if v.file != nil {
		in.ByFileOffset = func(off int64) []restore.Page { return v.cached(m, off) }
	}
	if v.fileSize {
		in.FileSize = int64(len(m.raw))
	}
	if v.unbacked {
		in.Unbacked, in.KernelRelocates = true, true
	}
	if in.Module = m.module; v.section != nil {
		in.MappedEnd, in.MappedWhole = m.mappedEnd(), m.asFile()
	}
	return in
}

// candidates returns the section's page, the process's own page, and the reason why a page is missing.
func (v *view) candidates(m *image, rva int64) []restore.Page {
	missing := restore.Page{Kind: restore.Missing, Label: "not present", Phys: -1}
	if rva < 0 || rva/page >= int64(len(m.has)) || !m.has[rva/page] {
		return []restore.Page{missing}
	}
	var out []restore.Page
	if v.section != nil && v.section(m, rva) {
		out = append(out, v.adjust(m, rva, m.sectionPage(rva)))
	}
	own, written := m.own[rva], m.own[rva] != nil
	if !written && v.asOwn {
		own = m.section[rva : rva+page]
	}
	if own != nil && v.own != nil && v.own(m, rva) {
		kind := max(v.kind, restore.Private)
		if v.demand && [page]byte(own) == [page]byte{} {
			return append(out, restore.Page{Kind: restore.Zero, Src: pageBytes(own), Phys: -1}, missing)
		}
		label := map[restore.Kind]string{restore.PageFile: "page file 0"}[kind]
		p := restore.Page{Kind: kind, Label: label, Src: pageBytes(own), Phys: 0x200000 + rva, Base: m.load}
		if v.noBase {
			p.Base = 0
		}
		out = append(out, p)
	}
	return append(out, missing)
}

// adjust changes a page of the section or of the file as the view needs it.
func (v *view) adjust(m *image, at int64, p restore.Page) restore.Page {
	if b, ok := p.Src.(pageBytes); ok && v.damaged != nil && at != 0 && v.damaged(m, at) {
		p.Src = holed{b}
	}
	if b, ok := p.Src.(pageBytes); ok && v.broken != nil && v.broken(m, at) {
		p.Src = unreadable{b}
	}
	if v.noBase {
		p.Base = 0
	}
	return p
}

// unreadable is a page on a disk that fails.
type unreadable struct{ pageBytes }

var errDisk = errors.New("input/output error")

func (unreadable) ReadAt([]byte, int64) (int, error) { return 0, errDisk }

// sectionPage returns the section's own page: a demand-zero page has no frame before it is touched. The base that it
// is relocated to is the caller's guess: where the process has the image.
func (m *image) sectionPage(rva int64) restore.Page {
	if m.demand[rva/page] && !m.shared(rva) {
		return restore.Page{Kind: restore.Zero, Src: pageBytes(make([]byte, page)), Phys: -1}
	}
	p := restore.Page{Kind: restore.Mapped, Src: pageBytes(m.section[rva : rva+page]), Phys: 0x100000 + rva}
	if m.kernel {
		p.Base = m.load
	}
	return p
}

// cached returns the page of the file at an offset. Behind the end of the file its bytes are zeros. Modified pages
// differ from the disk.
func (v *view) cached(m *image, off int64) []restore.Page {
	if off < 0 || off >= int64(len(m.raw)) || !v.file(m, off) {
		return nil
	}
	b := make([]byte, page)
	copy(b, m.raw[off:])
	if v.dirty {
		b[page-512+off/page*7%512] ^= 0x55
	}
	return []restore.Page{v.adjust(m, off, restore.Page{Kind: restore.FileBytes, Src: pageBytes(b), Phys: 0x300000 + off, Modified: v.dirty})}
}

// Changes that malware makes to an image.

// pages returns the RVAs of the pages of sections with the wanted flags, of all flags in mask.
func (m *image) pages(mask, want uint32) []int64 {
	var out []int64
	for _, s := range m.sections {
		for at := int64(s.rva); s.flags&mask == want && !m.asFile() && at < int64(s.rva)+s.size() && s.rawPointer != 0; at += page {
			out = append(out, at)
		}
	}
	return out
}

// hookCode puts jumps into two pages of code.
func hookCode(m *image, rng *rand.Rand) {
	pages := m.pages(sectionExecute|sectionWrite, sectionExecute)
	for range min(2, len(pages)) {
		m.poke(pages[rng.IntN(len(pages))]+int64(rng.IntN(0x60)), []byte{0xe9, 1, 2, 3, 0x74})
	}
}

// hookImport leads the first import of each DLL elsewhere.
func hookImport(m *image, rng *rand.Rand) {
	for d := int64(m.dirs[dirImport].rva); d != 0; d += 20 {
		e := m.read(d, 20)
		if e.u32(12) == 0 || e.u32(16) == 0 {
			return
		}
		m.poke(int64(e.u32(16)), m.number(0x00a5_0000+uint64(rng.IntN(0x8000))))
	}
}

// zeroPage clears a page of code or constants.
func zeroPage(m *image, rng *rand.Rand) {
	if pages := m.pages(sectionWrite, 0); len(pages) > 0 {
		m.poke(pages[rng.IntN(len(pages))], make([]byte, page))
	}
}

func eraseHeader(m *image, _ *rand.Rand) { m.poke(0, make([]byte, page)) }

// keepBase makes the header hold the file's base, as after mapping by hand.
func keepBase(m *image, _ *rand.Rand) {
	m.poke(0, m.section[:page])
	m.poke(m.baseAt, m.number(m.base))
}

// lieBase makes the header hold a base that is neither the file's nor the image's address.
func lieBase(m *image, rng *rand.Rand) { m.poke(m.baseAt, m.number(m.aslr(rng))) }

// lieSections moves the raw data of all sections by a sector.
func lieSections(m *image, _ *rand.Rand) {
	for i, s := range m.sections {
		if s.rawPointer != 0 {
			m.poke(m.tableAt+40*int64(i)+20, uint32Bytes(s.rawPointer+512))
		}
	}
}

// lieFlags clears the flags for writable sections, and sets the flag for no relocations.
func lieFlags(m *image, _ *rand.Rand) {
	for i, s := range m.sections {
		m.poke(m.tableAt+40*int64(i)+36, uint32Bytes(s.flags&^uint32(sectionWrite|sectionShared)))
	}
	m.poke(m.nt+22, []byte{byte(m.characteristics) | fileRelocsStripped})
}

// lieRelocations removes every second relocation from the table.
func lieRelocations(m *image, _ *rand.Rand) {
	dir := m.dirs[dirRelocation]
	for at := int64(dir.rva); at != 0 && at+8 <= int64(dir.rva)+int64(dir.size); {
		size := int64(m.read(at+4, 4).u32(0))
		if size < 8 {
			return
		}
		for e := at + 8; e < at+size; e += 4 {
			m.poke(e, []byte{0, 0})
		}
		at += size
	}
}

// lieLookup changes the lookup tables of imports: it names the same function for all.
func lieLookup(m *image, _ *rand.Rand) {
	n := int64(m.pointer())
	for d := int64(m.dirs[dirImport].rva); d != 0; d += 20 {
		e := m.read(d, 20)
		if e.u32(12) == 0 || e.u32(16) == 0 {
			return
		}
		first := m.readNumber(int64(e.u32(0)))
		for at := int64(e.u32(0)); at != 0 && m.readNumber(at) != 0; at += n {
			m.poke(at, m.number(first))
		}
	}
}

// tamperPointers leads relocated numbers elsewhere in the image: a call through them goes astray, and nothing shows
// it.
func tamperPointers(m *image, rng *rand.Rand) {
	i := 0
	m.relocate(uint64(rng.IntN(64))*8|4, func(rva int64, b []byte) {
		if i++; i%5 == 0 && !m.shared(rva) {
			m.poke(rva, b)
		}
	})
}

func uint32Bytes(v uint32) []byte { return []byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)} }
