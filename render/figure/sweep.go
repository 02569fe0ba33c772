package figure

import (
	"cmp"
	"slices"
)

// sweep cuts a layout into parts from its beginning on. Where a piece begins
// before the last one ended, or goes on behind the end, it is cut.
type sweep struct {
	size, at int64
	parts    []part
	cut      map[int]bool
}

// inOrder returns the numbers of the sections that have a place in a layout, in
// the order of their places.
func inOrder(sections []Section, place func(*Section) Span) []int {
	var out []int
	for i := range sections {
		if place(&sections[i]).Len > 0 {
			out = append(out, i)
		}
	}
	slices.SortStableFunc(out, func(a, b int) int { return cmp.Compare(place(&sections[a]).Off, place(&sections[b]).Off) })
	return out
}

// skip goes to an offset: the bytes up to a multiple of align are there because
// of it, the others belong to nothing.
func (s *sweep) skip(to, align int64) {
	to = min(to, s.size)
	if s.at < to && align > 1 {
		s.put(alignedBytes, none, min((s.at+align-1)/align*align, to))
	}
	if s.at < to {
		s.put(noBytes, none, to)
	}
}

// add adds a piece.
func (s *sweep) add(kind partKind, section int, of Span) {
	if of.Len <= 0 {
		return
	}
	end := min(of.end(), s.size)
	if section > 0 && (of.Off < s.at || end < of.end()) {
		if s.cut == nil {
			s.cut = map[int]bool{}
		}
		s.cut[section] = true
	}
	s.put(kind, section, end)
}

// put adds the bytes from here to an offset.
func (s *sweep) put(kind partKind, section int, end int64) {
	if s.at < end {
		s.parts = append(s.parts, part{Span{s.at, end - s.at}, kind, section})
		s.at = end
	}
}

func (s *sweep) column() column { return column{s.size, s.parts, len(s.cut)} }
