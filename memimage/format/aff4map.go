package format

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"memlens/memimage/sparse"
)

const aff4Entry = 28 // bytes of an entry of a map

// aff4Map is a map while it becomes an image. Its entries have an offset in the map, a length, an offset in a stream,
// and the number of that stream in the list "idx".
type aff4Map struct {
	*aff4File
	urn     string
	targets []*aff4Target
	entries []aff4MapEntry
	gap     *aff4Target // the bytes where there is no entry; nil: the map does not say
	wild    int         // entries that name no stream
	size    uint64      // from its description; 0: not in it
	end     uint64      // of its last entry
}

type aff4MapEntry struct {
	addr, n, off uint64
	target       *aff4Target
}

// aff4Target is a stream that a map names.
type aff4Target struct {
	urn    string
	src    sparse.Source // nil: its bytes are missing
	size   int64
	hashed sparse.Source // the bytes that digests use for it; nil: these are not available
	what   string        // of a symbolic stream: why its bytes are missing
	why    error         // of another stream: why it cannot be opened
	bytes  uint64        // how many bytes of the map are in it
}

// openMap lays memory out by a map.
func (a *aff4File) openMap(urn string) (*Image, error) {
	m, err := a.readMap(urn)
	if err != nil {
		return nil, err
	}
	l := a.newLayout()
	l.what, l.by = "a stream of the AFF4 volume", "the map names"
	for _, e := range m.entries {
		e.place(l)
	}
	m.fillGaps(l)
	m.describe()
	mem, err := l.reader(a.input)
	if err != nil {
		return nil, err
	}
	im := &Image{Format: "AFF4", Memory: mem}
	im.Digests, im.BlockDigests = m.digests()
	return im, nil
}

// readMap reads the entries of a map and opens the streams that they name.
func (a *aff4File) readMap(urn string) (*aff4Map, error) {
	m := &aff4Map{aff4File: a, urn: urn, size: uint64(a.number(urn, "size"))}
	at, _ := a.entry(urn + "/map")
	entries, err := readEntry(at.file, maxExtents*aff4Entry)
	if err != nil {
		return nil, fmt.Errorf("format: %s: the map: %w", a.Name(), err)
	}
	if len(entries)%aff4Entry != 0 {
		a.note("The last entry of the AFF4 map is not all there: it is left out.")
	}
	names, err := a.targetNames(urn)
	if err != nil {
		return nil, err
	}
	m.targets = make([]*aff4Target, len(names))
	for at := 0; at+aff4Entry <= len(entries); at += aff4Entry {
		m.add(fields(entries[at:at+aff4Entry]), names)
	}
	if gap := a.fact(urn, "mapGapDefaultStream"); gap != "" {
		m.gap = a.targetStream(gap, 0)
	}
	return m, nil
}

// targetNames reads the list of the streams that a map names.
func (a *aff4File) targetNames(urn string) ([]string, error) {
	idx, ok := a.entry(urn + "/idx")
	if !ok {
		return nil, fmt.Errorf("format: %s is an AFF4 volume whose map has no list of streams (idx)", a.Name())
	}
	list, err := readEntry(idx.file, 1<<20)
	if err != nil {
		return nil, fmt.Errorf("format: %s: the list of streams: %w", a.Name(), err)
	}
	names := strings.Split(strings.TrimSpace(string(list)), "\n")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return names, nil
}

// add adds an entry to the map.
func (m *aff4Map) add(e fields, names []string) {
	entry := aff4MapEntry{addr: e.u64(0), n: e.u64(8), off: e.u64(16)}
	i := e.u32(24)
	if int64(i) >= int64(len(names)) {
		m.wild++
		return
	}
	if entry.n == 0 {
		return
	}
	if m.targets[i] == nil {
		m.targets[i] = m.targetStream(names[i], i)
	}
	entry.target = m.targets[i]
	m.entries = append(m.entries, entry)
	if end := entry.addr + entry.n; end > entry.addr && end <= maxPhysical {
		m.end = max(m.end, end)
		entry.target.bytes += entry.n
	}
}

// maxTargets bounds the streams of a map that are opened.
const maxTargets = 64

// targetStream opens the i-th stream that a map names.
func (a *aff4File) targetStream(urn string, i uint32) *aff4Target {
	t := &aff4Target{urn: urn}
	if s, ok := symbol(urn); ok {
		t.what, t.hashed, t.size = s.what, s.source, maxMissing
		if t.what == "" {
			t.src = s.source
		}
		return t
	}
	if i >= maxTargets {
		t.why = fmt.Errorf("the map names more than %d streams", maxTargets)
		return t
	}
	src, err := a.stream(urn)
	if err != nil {
		t.why = err
		return t
	}
	t.src, t.hashed, t.size = src, src, src.Size()
	return t
}

// place lays an entry out.
func (e aff4MapEntry) place(l *layout) {
	switch t := e.target; {
	case t.src == nil:
		l.reach(e.addr, e.n)
	default:
		if _, ok := t.src.(fill); ok { // every byte is the same: the offset does not matter
			e.off = e.addr
		}
		l.addFrom(t.src, uint64(t.size), e.addr, e.n, e.off)
	}
}

// reach makes the memory large enough for a range that is known to be a hole.
func (l *layout) reach(addr, n uint64) {
	if end := addr + n; end >= addr && end <= maxMissing {
		l.size = max(l.size, end)
	}
}

// fillGaps lays out the gaps between the entries and behind the last one. If the map says nothing about gaps, they
// stay holes: memory that is not in the map was not acquired.
func (m *aff4Map) fillGaps(l *layout) {
	l.reach(0, m.size)
	if m.gap == nil || m.gap.what != "" {
		return
	}
	for _, g := range m.gaps(m.gap) {
		m.gap.bytes += g.n
		g.place(l)
	}
}

// gaps returns entries in a stream for the ranges that no entry of the map covers, up to the end of the map.
func (m *aff4Map) gaps(in *aff4Target) []aff4MapEntry {
	sorted := slices.SortedFunc(slices.Values(m.entries), func(a, b aff4MapEntry) int { return cmp.Compare(a.addr, b.addr) })
	var out []aff4MapEntry
	var pos uint64
	last := min(m.length(), maxMissing)
	add := func(end uint64) {
		if end > pos {
			out = append(out, aff4MapEntry{pos, end - pos, pos, in})
		}
	}
	for _, e := range sorted {
		add(min(e.addr, last))
		pos = max(pos, min(e.addr, last)+min(e.n, last))
	}
	add(last)
	return out
}

// length returns the size of the map as a stream.
func (m *aff4Map) length() uint64 { return cmp.Or(m.size, m.end) }

// describe notes which bytes the memory lacks, and which bytes are in no stream.
func (m *aff4Map) describe() {
	if m.wild > 0 {
		m.note("%s no stream of the %d in the list of the AFF4 map and left out.", count(m.wild, "entry names", "entries name"), len(m.targets))
	}
	m.describeTargets()
	if m.gap != nil && m.gap.src != nil && m.gap.bytes > 0 {
		m.note("%s of the memory have no entry in the AFF4 map: they are what its description says of gaps (%s).", sizeText(m.gap.bytes), m.gap.urn)
	}
	if m.size > 0 && m.size < m.end {
		m.note("The AFF4 map reaches to %#x and its description says that it has %#x bytes: all of its entries are used.", m.end, m.size)
	}
}

// describeTargets notes the streams whose bytes are holes.
func (m *aff4Map) describeTargets() {
	said := 0
	for _, t := range m.targets {
		if t == nil || t.src != nil {
			continue
		}
		if said++; said > maxLabels {
			continue
		}
		if t.what != "" {
			m.note("%s of the memory %s (%s): they are holes.", sizeText(t.bytes), t.what, t.urn)
		} else {
			m.note("%s of the memory are holes, for a stream of the AFF4 map cannot be read: %s.", sizeText(t.bytes), sentence(t.why))
		}
	}
	if said > maxLabels {
		m.note("%s of the AFF4 map missing as well.", count(said-maxLabels, "further stream is", "further streams are"))
	}
}
