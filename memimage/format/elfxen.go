package format

import "bytes"

const (
	xenSection  = 64 // bytes of a section header of a 64-bit file
	xenMaxNames = 1 << 16
)

// xenCore returns the layout of the core file of a Xen domain (xl dump-core), which has no segments: the section
// .xen_pages holds pages, and .xen_pfn (or .xen_p2m, with a second number behind each) has their page numbers. It is
// nil for other files.
func (e *elfFile) xenCore() (*layout, error) {
	sections, err := e.namedSections()
	if err != nil {
		return nil, err
	}
	pages, numbers, size := sections[".xen_pages"], sections[".xen_pfn"], 8
	if numbers.Len == 0 {
		numbers, size = sections[".xen_p2m"], 16
	}
	if pages.Len == 0 || numbers.Len == 0 {
		return nil, nil
	}
	l := e.newLayout()
	at := pages.Off
	err = eachRecord(e, int64(numbers.Off), int64(numbers.Off+numbers.Len), size, func(f fields) bool {
		if page := e.u64(f, 0); page < maxPhysical/pageSize {
			l.add(page*pageSize, pageSize, at)
		}
		at += pageSize
		return at < pages.Off+pages.Len
	})
	return l, err
}

// namedSections returns where the sections of a 64-bit file lie.
func (e *elfFile) namedSections() (map[string]Range, error) {
	at, n, names := e.u64(e.head, 40), int(e.u16(e.head, 60)), int(e.u16(e.head, 62))
	if !e.wide || at == 0 || at > maxPhysical || int(e.u16(e.head, 58)) != xenSection || names >= n {
		return nil, nil
	}
	table, err := readUpTo(e, int64(at), n*xenSection)
	if err != nil {
		return nil, err
	}
	if end := at + uint64(n)*xenSection; end > uint64(e.Size()) {
		e.cutBefore(end, "before or within its section table")
	}
	place := func(i int) Range {
		return Range{Off: min(e.u64(table, i*xenSection+24), maxPhysical), Len: min(e.u64(table, i*xenSection+32), maxPhysical)}
	}
	text, err := readUpTo(e, int64(place(names).Off), int(min(place(names).Len, xenMaxNames)))
	if err != nil {
		return nil, err
	}
	sections := map[string]Range{}
	for i := range n {
		if off := int(min(e.u32(table, i*xenSection), xenMaxNames)); off < len(text) {
			name, _, _ := bytes.Cut(text[off:], []byte{0})
			sections[string(name)] = place(i)
		}
	}
	return sections, nil
}
