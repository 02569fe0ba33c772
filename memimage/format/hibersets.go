package format

import "slices"

// setLayout has the offsets of the fields in the header of a hibernation file of Windows 8 to 11 (PO_MEMORY_IMAGE).
// The length of the header tells the versions apart. An offset of 0 is not known, or the field does not exist.
type setLayout struct {
	name                 string
	lengths              []uint32
	word                 int
	loaderPages          int // pages in the boot section
	boot, kernel         int // pages of the file at which the sections begin
	secure, checksums    int // pages of further sections, which are not read
	kernelPages          int // pages in the kernel section
	hiberboot            int // a bit: the file is from fast startup
	systemTime, pageSize int
}

// setLayouts lists the versions. The table of LeechCore, and the structures in the symbols of these kernels, agree on
// each length and offset here, with one exception: the structure of 0x338 bytes is LeechCore's alone. Windows 11 24H2
// added a counter to PO_HIBER_PERF, so that the fields behind it moved by 8 bytes.
func setLayouts() []setLayout {
	wide := setLayout{word: 8, loaderPages: 0x58, secure: 0x60, boot: 0x68, kernel: 0x70, checksums: 0x78, systemTime: 0x20, pageSize: 0x18}
	narrow := setLayout{word: 4, loaderPages: 0x48, boot: 0x50, kernel: 0x54, checksums: 0x58, systemTime: 0x18, pageSize: 0x14}
	with := func(l setLayout, name string, kernelPages, hiberboot int, lengths ...uint32) setLayout {
		l.name, l.kernelPages, l.hiberboot, l.lengths = name, kernelPages, hiberboot, lengths
		return l
	}
	wide8, narrow8 := wide, narrow
	wide8.boot, wide8.kernel, wide8.secure, wide8.checksums = 0x60, 0x68, 0, 0
	narrow8.checksums = 0
	return []setLayout{
		with(wide, "Windows 11 24H2 and later, 64-bit", 0x238, 0x464, 0x4d8),
		with(wide, "Windows 11 before 24H2, 64-bit", 0x230, 0x3cc, 0x448),
		with(wide, "Windows 10 1703 and later, 64-bit", 0x230, 0x364, 0x3e0, 0x3d8),
		with(wide, "Windows 10 1607, 64-bit", 0x220, 0x354, 0x3c8),
		with(wide, "Windows 10 1507 and 1511, 64-bit", 0x218, 0x34c, 0x3b0),
		with(wide8, "Windows 8, 64-bit", 0x1c8, 0x2fc, 0x360),
		with(narrow, "Windows 10 1703 and later, 32-bit", 0x210, 0x2dc, 0x340, 0x338),
		with(narrow, "Windows 10 1607, 32-bit", 0x200, 0x2cc, 0x328),
		with(narrow, "Windows 10 1507 and 1511, 32-bit", 0x1f8, 0x2c4, 0x310),
		with(narrow8, "Windows 8, 32-bit", 0x1b0, 0x27c, 0x2c8),
		with(wide, "a version that is not known, 64-bit", 0, 0),
		with(wide8, "a version that is not known, 64-bit", 0, 0),
		with(narrow, "a version that is not known, 32-bit", 0, 0),
	}
}

// isKnown reports whether the layout is the layout of a known version.
func (l setLayout) isKnown() bool { return l.kernelPages != 0 }

// pageCounts returns the offsets where some version has the number of pages in the kernel section.
func (l setLayout) pageCounts() []int {
	var out []int
	for _, other := range setLayouts() {
		if other.word == l.word && other.isKnown() && !slices.Contains(out, other.kernelPages) {
			out = append(out, other.kernelPages)
		}
	}
	return out
}

// compressionSet is a block of up to 16 pages: a header of 4 bytes with the number of page ranges in 8 bits, the size
// of the data in 22 and its compression in 2, then the ranges (their number of pages less one in the low 4 bits, the
// first page above them), then the data. Of the compressions, Hibr2Bin names 0 and 1 Xpress (fast, max) and 2 and 3
// Xpress-Huffman; the layer for volatility 3 of forensicxlab takes 0 for Xpress, 2 and 3 for Xpress-Huffman, and does
// not know 1; LeechCore takes 1 to 3 for Huffman. In all three, the size alone shows that pages are not compressed.
type compressionSet struct {
	ranges []Range // Addr and Len in pages
	pages  int
	at     int64 // of the data
	size   int
	kind   int
	next   int64
	cut    bool // the header could be true, but the file ends before the set does
}

// openSets opens the files of Windows 8 to 11; the image is nil when there are no compression sets.
func (h *hiberFile) openSets() (*Image, error) {
	l, ok := h.setLayout()
	if !ok {
		return h.searchSets()
	}
	h.readSections(l)
	if len(h.parts) == 0 {
		return h.searchSets()
	}
	if !l.isKnown() {
		h.note("The header of the hibernation file has a length of %#x that no known version of Windows has.", h.head.u32(0xc))
	}
	h.noteUnread(l)
	return h.image(l.name, l.word == 8, l.systemTime)
}

// noteUnread notes the memory that, by the header, is not in the file or is not read.
func (h *hiberFile) noteUnread(l setLayout) {
	if l.isKnown() && l.secure != 0 && word(h.head, l.secure, l.word) != 0 {
		h.note("The hibernation file has a section of the secure kernel, of %d pages, at page %#x of the file: these pages are not read. By the names of Windows' own counters (DecryptVsmPages), they are encrypted.",
			h.head.u64(l.kernelPages-16), word(h.head, l.secure, l.word))
	}
	if l.hiberboot != 0 && h.head.u32(l.hiberboot)&1 != 0 {
		h.note("The hibernation file is one of fast startup, says its header: the users were logged off before, and it has the kernel's memory and that of services, not of the users' programs.")
	}
}

// setLayout returns the layout of the header: the layout for its length. If no version has that length, it is the
// layout whose sections begin with sets.
func (h *hiberFile) setLayout() (setLayout, bool) {
	length := h.head.u32(0xc)
	var unknown []setLayout
	for _, l := range setLayouts() {
		switch {
		case h.head.u32(l.pageSize) != pageSize:
		case slices.Contains(l.lengths, length):
			return l, true
		case !l.isKnown() && length >= 0x2c8 && length < pageSize:
			unknown = append(unknown, l)
		}
	}
	for _, l := range unknown {
		if h.chain(l.word, h.pageOffset(l, l.kernel), 1) && h.chain(l.word, h.pageOffset(l, l.boot), 1) {
			return l, true
		}
	}
	if len(unknown) > 0 {
		return unknown[0], true
	}
	return setLayout{}, false
}

// set reads the set at that offset, if it can be true.
func (h *hiberFile) set(word int, at int64) (compressionSet, bool) {
	f, err := readUpTo(h, at, 4+hiberPages*8)
	if err != nil || len(f) < 8 {
		return compressionSet{}, false
	}
	head := f.u32(0)
	n := int(head & 0xff)
	s := compressionSet{size: int(head >> 8 & 0x3fffff), at: at + 4 + int64(n*word), kind: hiberLZ77}
	if n == 0 || n > hiberPages {
		return s, false
	}
	if head>>30 >= 2 {
		s.kind = hiberHuffman
	}
	for i := range n {
		d := uint64(f.u32(4 + i*4))
		if word == 8 {
			d = f.u64(4 + i*8)
		}
		r := Range{Addr: d >> 4, Len: d&15 + 1}
		if r.Addr >= maxPhysical/pageSize {
			return s, false
		}
		s.ranges = append(s.ranges, r)
		s.pages += int(r.Len)
	}
	s.next = s.at + int64(s.size)
	if s.size == s.pages*pageSize {
		s.kind = hiberStored
	}
	sound := s.pages <= hiberPages && s.size > 0 && s.size <= s.pages*pageSize
	s.cut = sound && s.next > h.Size()
	return s, sound && !s.cut
}

// placeSet places the pages of a set.
func (h *hiberFile) placeSet(s compressionSet) {
	off := h.add(s.at, s.size, s.pages, s.kind)
	for _, r := range s.ranges {
		h.place(r.Addr, r.Len, off)
		for page := r.Addr; page < r.Addr+r.Len && !h.layout.full(); page++ {
			h.placed.add(int(page))
		}
		off += int64(r.Len) * pageSize
	}
}
