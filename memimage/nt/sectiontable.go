package nt

// leastSections is the least number of sections in a table that proves an executable by itself.
const leastSections = 3

// findSectionTable looks for a section table behind erased headers. It proves an executable when each section begins
// where the one before it ends, in memory as in the file: other data is not like that by chance.
func findSectionTable(page []byte) (peHeader, bool) {
	const most = headerReach
	for at := 0; at < min(most, len(page)-leastSections*peSectionSize); at += 4 {
		if first := readSections(page[at:], 1); !first[0].canFollow() || !isSectionName(page[at:]) {
			continue
		}
		sections := contiguous(readSections(page[at:], maxPESections))
		if len(sections) < leastSections {
			continue
		}
		last := &sections[len(sections)-1]
		h := peHeader{state: HeaderNoSignatures, sections: sections}
		h.size = roundUp(int64(last.rva)+int64(max(last.size, last.rawSize)), pageSize)
		return h, h.size <= maxPEImage
	}
	return peHeader{}, false
}

// isSectionName reports whether b begins with a name as linkers write them, up to 8 letters filled up with zeros.
func isSectionName(b []byte) bool {
	n := 0
	for n < 8 && b[n] > ' ' && b[n] <= '~' {
		n++
	}
	for _, c := range b[n:8] {
		if c != 0 {
			return false
		}
	}
	return n > 1
}

// canFollow reports whether a section's numbers are multiples of linkers' alignments.
func (s *peSection) canFollow() bool {
	const sector = 0x200
	return s.rva != 0 && s.rva%pageSize == 0 && s.size != 0 && s.raw%sector == 0 && s.rawSize%sector == 0 && s.readable
}

// contiguous returns the sections from the first on that follow each other without a gap, if one of these can be
// executed.
func contiguous(sections []peSection) []peSection {
	code := false
	raw := int64(0)
	for i := range sections {
		s := &sections[i]
		if !s.canFollow() {
			return proven(sections[:i], code)
		}
		if i > 0 && int64(s.rva) != roundUp(int64(sections[i-1].rva)+int64(sections[i-1].size), pageSize) {
			return proven(sections[:i], code)
		}
		if s.rawSize != 0 {
			if raw != 0 && int64(s.raw) != raw {
				return proven(sections[:i], code)
			}
			raw = int64(s.raw) + int64(s.rawSize)
		}
		code = code || s.execute
	}
	return proven(sections, code)
}

func proven(sections []peSection, code bool) []peSection {
	if !code {
		return nil
	}
	return sections
}
