package format

// setLayout is what the header of a hibernation file of Windows 8 to 11 has where (PO_MEMORY_IMAGE); the versions are
// told apart by the length of it.
type setLayout struct {
	name                 string
	lengths              []uint32
	word                 int
	loaderPages          int // pages in the boot section
	boot, kernel         int // pages of the file at which the sections begin
	kernelPages          int // pages in the kernel section; 0: not known
	systemTime, pageSize int
}

func setLayouts() []setLayout {
	wide := setLayout{word: 8, loaderPages: 0x58, boot: 0x68, kernel: 0x70, systemTime: 0x20, pageSize: 0x18}
	narrow := setLayout{word: 4, loaderPages: 0x48, boot: 0x50, kernel: 0x54, systemTime: 0x18, pageSize: 0x14}
	with := func(l setLayout, name string, kernelPages int, lengths ...uint32) setLayout {
		l.name, l.kernelPages, l.lengths = name, kernelPages, lengths
		return l
	}
	win8 := with(wide, "Windows 8, 64-bit", 0x1c8, 0x360)
	win8.boot, win8.kernel = 0x60, 0x68
	return []setLayout{
		with(wide, "Windows 10 1703 to 11, 64-bit", 0x230, 0x3d8, 0x3e0, 0x448, 0x4d8),
		with(wide, "Windows 10 1607, 64-bit", 0x220, 0x3c8),
		with(wide, "Windows 10 1507 and 1511, 64-bit", 0x218, 0x3b0),
		win8,
		with(narrow, "Windows 10 1703 and later, 32-bit", 0x210, 0x338, 0x340),
		with(narrow, "Windows 10 1607, 32-bit", 0x200, 0x328),
		with(narrow, "Windows 10 1507 and 1511, 32-bit", 0x1f8, 0x310),
		with(narrow, "Windows 8, 32-bit", 0x1b0, 0x2c8),
		with(wide, "a version that is not known, 64-bit", 0),
		with(narrow, "a version that is not known, 32-bit", 0),
	}
}

// compressionSet is a block of up to 16 pages: a header of 4 bytes with the number of page ranges in 8 bits, the size
// of the data in 22 and its compression in 2, then the ranges (their number of pages less one in the low 4 bits, the
// first page above them), then the data.
type compressionSet struct {
	ranges []Range // Addr and Len in pages
	pages  int
	at     int64 // of the data
	size   int
	kind   int
	next   int64
}

// openSets opens the files of Windows 8 to 11; the image is nil when there are no compression sets.
func (h *hiberFile) openSets() (*Image, error) {
	l, ok := h.setLayout()
	if !ok {
		return h.searchSets()
	}
	if l.kernelPages == 0 {
		h.note("The header of the hibernation file has a length of %#x that no known version of Windows has; its sections are read as far as they go.", h.head.u32(0xc))
	}
	boot, kernel := word(h.head, l.boot, l.word), word(h.head, l.kernel, l.word)
	h.section(l, "kernel", kernel, word(h.head, l.kernelPages, l.word))
	h.section(l, "boot", boot, h.head.u64(l.loaderPages))
	if len(h.parts) == 0 {
		return h.searchSets()
	}
	return h.image(l.name, l.word == 8, l.systemTime)
}

// setLayout returns the layout of the header.
func (h *hiberFile) setLayout() (setLayout, bool) {
	length := h.head.u32(0xc)
	for _, l := range setLayouts() {
		if h.head.u32(l.pageSize) != pageSize {
			continue
		}
		for _, n := range l.lengths {
			if n == length {
				return l, true
			}
		}
		if len(l.lengths) == 0 && length >= 0x2c8 && length < pageSize {
			return l, true
		}
	}
	return setLayout{}, false
}

// section reads the compression sets from a page of the file on, until there are as many pages as there should be, or
// without that number until there are no more sets.
func (h *hiberFile) section(l setLayout, name string, page, pages uint64) {
	if page == 0 || page >= maxPhysical/pageSize {
		return
	}
	known := l.kernelPages != 0 && pages > 0
	at, done := int64(page)*pageSize, uint64(0)
	for !known || done < pages {
		s, ok := h.set(l.word, at)
		if !ok || len(h.parts) >= maxBlocks {
			if known {
				if at+8 > h.Size() || s.next > h.Size() {
					h.cutWithin("within its %s section, after %d of %d pages", name, done, pages)
				}
				h.note("The %s section of the hibernation file has %d of %d pages: at offset %#x the file is truncated, damaged or overwritten, and what follows is missing.", name, done, pages, at)
			}
			return
		}
		h.placeSet(s)
		done += uint64(s.pages)
		at = s.next
	}
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
	return s, s.pages <= hiberPages && s.size > 0 && s.size <= s.pages*pageSize && s.next <= h.Size()
}

// placeSet places the pages of a set.
func (h *hiberFile) placeSet(s compressionSet) {
	off := h.add(s.at, s.size, s.pages, s.kind)
	for _, r := range s.ranges {
		h.place(r.Addr, r.Len, off)
		off += int64(r.Len) * pageSize
	}
}

// searchSets looks for sections at the beginning of pages, for files with a wiped header: a chain of sets that does
// not end soon, and further ones behind its end.
func (h *hiberFile) searchSets() (*Image, error) {
	const least = 4 // sets in a row that cannot be there by chance
	for _, l := range setLayouts() {
		if len(l.lengths) > 0 {
			continue
		}
		for page := int64(1); page < hiberSearch; page++ {
			if !h.chain(l.word, page*pageSize, least) {
				continue
			}
			before := len(h.parts)
			h.section(l, "", uint64(page), 0)
			last := h.parts[len(h.parts)-1]
			h.note("A section of %d compression sets was found at page %#x of the file.", len(h.parts)-before, page)
			h.searchNext(l, (last.at+int64(last.size))/pageSize, least)
			return h.image(l.name, l.word == 8, l.systemTime)
		}
	}
	return nil, nil
}

// searchNext looks for one more section behind a page.
func (h *hiberFile) searchNext(l setLayout, page int64, least int) {
	for p := page + 1; p < page+hiberSearch; p++ {
		if h.chain(l.word, p*pageSize, least) {
			before := len(h.parts)
			h.section(l, "", uint64(p), 0)
			h.note("A section of %d compression sets was found at page %#x of the file.", len(h.parts)-before, p)
			return
		}
	}
}

// chain tells whether so many sets follow each other from an offset on, the first of which unpacks.
func (h *hiberFile) chain(word int, at int64, least int) bool {
	for i := range least {
		s, ok := h.set(word, at)
		if !ok || i == 0 && !h.unpacks(s) {
			return false
		}
		at = s.next
	}
	return true
}

// unpacks tells whether the data of a set is sound.
func (h *hiberFile) unpacks(s compressionSet) bool {
	if s.kind == hiberStored {
		return true
	}
	data, err := readUpTo(h, s.at, s.size)
	if err != nil {
		return false
	}
	if s.kind == hiberHuffman {
		_, err = xpressHuffman(data, s.pages*pageSize)
	} else {
		_, err = xpressLZ77(data, s.pages*pageSize)
	}
	return err == nil
}
