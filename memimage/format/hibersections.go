package format

import (
	"fmt"
	"slices"
)

// section is a part of a hibernation file of Windows 8 to 11: compression sets in a chain.
type section struct {
	name    string
	at, end int64    // of the chain; at end begins another section
	pages   uint64   // of the chain, from the header; 0: not in the header
	others  []uint64 // the numbers where the headers of other versions have this one
}

// sections returns the sections that the header names. The kernel restores its section over the section that the boot
// loader restored. So the kernel's section is placed first: if a page is placed twice, the first place counts.
func (h *hiberFile) sections(l setLayout) []section {
	kernel := section{name: "kernel", at: h.pageOffset(l, l.kernel)}
	boot := section{name: "boot", at: h.pageOffset(l, l.boot), pages: h.head.u64(l.loaderPages)}
	for _, off := range l.pageCounts() {
		if n := word(h.head, off, 8); off == l.kernelPages {
			kernel.pages = n
		} else {
			kernel.others = append(kernel.others, n)
		}
		boot.others = append(boot.others, h.head.u64(off-8))
	}
	kernel.end, boot.end = h.sectionEnd(l, kernel.at), h.sectionEnd(l, boot.at)
	return []section{kernel, boot}
}

// pageOffset returns the offset in the file of the page that a field of the header names; 0 when it names none.
func (h *hiberFile) pageOffset(l setLayout, field int) int64 {
	if field == 0 {
		return 0
	}
	page := word(h.head, field, l.word)
	if page >= maxPhysical/pageSize {
		return 0
	}
	return int64(page) * pageSize
}

// sectionEnd returns where the next section begins behind the beginning of one.
func (h *hiberFile) sectionEnd(l setLayout, at int64) int64 {
	end := h.Size()
	for _, field := range []int{l.secure, l.boot, l.kernel, l.checksums} {
		if next := h.pageOffset(l, field); next > at {
			end = min(end, next)
		}
	}
	return end
}

// chain is the measured extent of the sets of a section.
type chain struct {
	pages  uint64 // to the end of it
	sets   int    // likewise
	end    int64  // behind the last set
	border bool   // a set ends with the number of pages that the header says
}

// measure follows the sets of a section, without placing them. Behind the number of pages that the header says, it stops
// where another section begins.
func (h *hiberFile) measure(word int, s section) chain {
	c := chain{end: s.at}
	for ; c.sets < maxBlocks; c.sets++ {
		set, ok := h.set(word, c.end)
		if !ok || c.pages >= s.pages && set.next > s.end {
			break
		}
		c.pages += uint64(set.pages)
		c.end = set.next
		c.border = c.border || c.pages == s.pages
	}
	return c
}

// readSections places the sets of the sections. It is not certain how many sets belong to a section: Windows writes a
// hibernation over the last one, so that sets of an old hibernation may follow. They look as good, and are wrong. So
// the header's number of pages decides, if a set ends there. If no set does, or the layout of the header is not
// known, another number may decide: a number at a place where some version of Windows has it, if it is exactly the
// number of pages in the chain. Doubtful sets come last, for only sets with new pages are taken: an old set sooner or
// later has a page that was placed before.
func (h *hiberFile) readSections(l setLayout) {
	var doubtful []func()
	for _, s := range h.sections(l) {
		if s.at > 0 {
			doubtful = append(doubtful, h.readSection(l.word, s))
		} else if s.pages > 0 {
			h.note("The header of the hibernation file names %d pages in the %s section, but no place for it.", s.pages, s.name)
		}
	}
	for _, read := range slices.Backward(doubtful) { // the boot section's end is known better: the kernel's begins there
		read()
	}
}

// readSection places the sets that surely belong to a section, and returns a function that reads the others.
func (h *hiberFile) readSection(word int, s section) func() {
	c := h.measure(word, s)
	switch other := s.matching(c); {
	case c.pages == s.pages:
		h.placePages(word, s.at, s.pages)
	case other > 0:
		h.placePages(word, s.at, other)
		h.note("The %s section of the hibernation file is assumed to have %d pages: some version of Windows has that number in the header, and it is exactly that of the %d compression sets there. Where this header should have the number, it says %d.", s.name, other, c.sets, s.pages)
	case c.border:
		at, sets := h.placePages(word, s.at, s.pages)
		return func() { h.readBehind(word, s, at, c.sets-sets) }
	case s.pages > c.pages:
		h.placePages(word, s.at, c.pages)
		h.cutSection(word, s, c)
	case c.sets > 0:
		return func() { h.readNew(word, s) }
	}
	return func() {}
}

// readBehind places the sets that follow directly behind the sets that the header counts, if they are many, and none
// has a page that was placed before. Only by chance would a set of an old hibernation begin exactly where the new
// sets end.
func (h *hiberFile) readBehind(word int, s section, at int64, sets int) {
	pages, ok := h.allNew(word, at, s.end)
	if !ok || !h.chain(word, at, hiberChain) {
		h.note("The %s section of the hibernation file has the %d pages that its header says. %s directly behind; they may be of an earlier hibernation, and are not read.", s.name, s.pages, count(sets, "compression set follows", "compression sets follow"))
		return
	}
	at, _ = h.placeNew(word, at, s.end)
	h.noteCut(word, at, s.name)
	h.note("The %s section of the hibernation file has the %d pages that its header says, and %d more in %d compression sets directly behind. These are assumed to be of the same hibernation, and the header to be wrong: there are too many for chance, and none has a page that is elsewhere.", s.name, s.pages, pages, sets)
}

// matching returns the number at a place where another version has it, if it is exactly the number of pages in the
// chain.
func (s section) matching(c chain) uint64 {
	for _, n := range s.others {
		if n == c.pages && n > 0 {
			return n
		}
	}
	return 0
}

// cutSection says that a section ends before it should.
func (h *hiberFile) cutSection(word int, s section, c chain) {
	if next, _ := h.set(word, c.end); c.end+8 > h.Size() || next.next > h.Size() {
		h.cutWithin("within its %s section, after %d of %d pages", s.name, c.pages, s.pages)
	}
	h.note("The %s section of the hibernation file has %d of %d pages: at offset %#x the file is truncated, damaged or overwritten, and the rest is missing.", s.name, c.pages, s.pages, c.end)
}

// readNew places the sets of a section whose number of pages is not known.
func (h *hiberFile) readNew(word int, s section) {
	before := len(h.parts)
	end, pages := h.placeNew(word, s.at, s.end)
	why := "its header does not say how many there are"
	if s.pages > 0 {
		why = fmt.Sprintf("no set ends with the %d pages that its header says", s.pages)
	}
	h.note("The %s section of the hibernation file is read as far as there are compression sets with pages that were not read before, %d in %d sets: %s. It is assumed that all of these are of this hibernation.", s.name, pages, len(h.parts)-before, why)
	h.noteCut(word, end, s.name)
	h.noteMore(word, end)
}

// noteCut says that the file ends within a set, for a section whose number of sets is not known.
func (h *hiberFile) noteCut(word int, at int64, name string) {
	if s, _ := h.set(word, at); s.cut {
		h.cutWithin("within a compression set at offset %#x of its %s section", at, name)
	}
}

// noteMore says how many sets that are not read follow from an offset on.
func (h *hiberFile) noteMore(word int, at int64) {
	if c := h.measure(word, section{at: at, end: h.Size()}); c.sets > 0 {
		h.note("From offset %#x on, %s (%s); they may be of an earlier hibernation or of another section, and are not read.", at,
			count(c.sets, "more compression set follows", "more compression sets follow"), count(int(c.pages), "page", "pages"))
	}
}

// placePages places so many pages from an offset on, and returns where they end, and the number of sets.
func (h *hiberFile) placePages(word int, at int64, pages uint64) (end int64, sets int) {
	for done := uint64(0); done < pages && len(h.parts) < maxBlocks; sets++ {
		s, ok := h.set(word, at)
		if !ok {
			break
		}
		h.placeSet(s)
		done += uint64(s.pages)
		at = s.next
	}
	return at, sets
}

// placeNew places sets from an offset on, as long as they bring only pages that were not placed before. It returns
// where they end, and how many pages they have.
func (h *hiberFile) placeNew(word int, at, end int64) (int64, uint64) {
	pages := uint64(0)
	for len(h.parts) < maxBlocks {
		s, ok := h.set(word, at)
		if !ok || s.next > end || h.hasPage(s) {
			break
		}
		h.placeSet(s)
		pages += uint64(s.pages)
		at = s.next
	}
	return at, pages
}

// allNew reports whether no page of the sets between two offsets was placed before, and how many pages they have.
func (h *hiberFile) allNew(word int, at, end int64) (pages uint64, ok bool) {
	for range maxBlocks {
		s, ok := h.set(word, at)
		if !ok || s.next > end {
			break
		}
		if h.hasPage(s) {
			return pages, false
		}
		pages += uint64(s.pages)
		at = s.next
	}
	return pages, true
}

// hasPage reports whether a page of a set was placed before.
func (h *hiberFile) hasPage(s compressionSet) bool {
	for _, r := range s.ranges {
		for page := r.Addr; page < r.Addr+r.Len; page++ {
			if h.placed.has(int(page)) {
				return true
			}
		}
	}
	return false
}
