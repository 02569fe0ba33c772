package format

// hiberChain is how many sets in a row cannot be there by chance.
const hiberChain = 4

// searchSets looks for sections at the beginning of pages, for files with a wiped header: a chain of sets that does
// not end soon, and further chains behind its end.
func (h *hiberFile) searchSets() (*Image, error) {
	for _, l := range setLayouts() {
		if l.isKnown() {
			continue
		}
		for page := int64(1); page < hiberSearch; page++ {
			if !h.chain(l.word, page*pageSize, hiberChain) {
				continue
			}
			end := h.foundSection(l, page)
			h.searchNext(l, end/pageSize)
			return h.image(l.name, l.word == 8, l.systemTime)
		}
	}
	return nil, nil
}

// searchNext looks for one more section behind a page.
func (h *hiberFile) searchNext(l setLayout, page int64) {
	for p := page + 1; p < page+hiberSearch; p++ {
		if h.chain(l.word, p*pageSize, hiberChain) {
			h.foundSection(l, p)
			return
		}
	}
}

// foundSection reads the sets that were found at a page, and returns the offset of their end.
func (h *hiberFile) foundSection(l setLayout, page int64) int64 {
	before := len(h.parts)
	at, _ := h.placeNew(l.word, page*pageSize, h.Size())
	if n := len(h.parts) - before; n > 0 {
		h.note("A section of %d compression sets was found at page %#x of the file.", n, page)
	}
	h.noteCut(l.word, at, "found")
	h.noteMore(l.word, at)
	return at
}

// chain reports whether so many sets follow each other from an offset on, and the first of these unpacks.
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

// unpacks reports whether the data of a set can be unpacked.
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
		_, err = unpackLZ77(data, s.pages*pageSize)
	}
	return err == nil
}
