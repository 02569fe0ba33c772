package figure

import (
	"cmp"
	"slices"
)

// Span is a piece of a file: Len bytes from Off on.
type Span struct{ Off, Len int64 }

// end returns where the span ends; the sum may not overflow once clipped.
func (s Span) end() int64 { return s.Off + s.Len }

// clip returns the part of the span within a file of size bytes.
func (s Span) clip(size int64) Span {
	off := min(max(s.Off, 0), size)
	if s.Off < 0 {
		s.Len += s.Off
	}
	return Span{off, min(max(s.Len, 0), size-off)}
}

// normalize returns the spans within a file of size bytes, sorted, merged
// where they touch, without empty ones.
func normalize(spans []Span, size int64) []Span {
	out := make([]Span, 0, len(spans))
	for _, s := range spans {
		if s = s.clip(size); s.Len > 0 {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b Span) int { return cmp.Compare(a.Off, b.Off) })
	n := 0
	for _, s := range out {
		if n > 0 && s.Off <= out[n-1].end() {
			out[n-1].Len = max(out[n-1].Len, s.end()-out[n-1].Off)
			continue
		}
		out[n] = s
		n++
	}
	return out[:n]
}

// within calls f with each part of the spans, which are normalized, that lies
// in the n bytes from off on.
func within(spans []Span, off, n int64, f func(Span)) {
	i, _ := slices.BinarySearchFunc(spans, off, func(s Span, off int64) int { return cmp.Compare(s.end()-1, off) })
	for ; i < len(spans) && spans[i].Off < off+n; i++ {
		from := max(spans[i].Off, off)
		f(Span{from, min(spans[i].end(), off+n) - from})
	}
}

// total returns the number of bytes in normalized spans.
func total(spans []Span) int64 {
	var n int64
	for _, s := range spans {
		n += s.Len
	}
	return n
}
