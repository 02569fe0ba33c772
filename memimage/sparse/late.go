package sparse

// Late is a source whose bytes come late, as over a network. The bytes of several places come sooner when all are
// requested at once than one place after the other.
type Late interface {
	// WillNeed requests bytes that are going to be read. It does not wait for them, and it does not fail: the later
	// read does that. It reports whether the bytes of the source come late at all; n may be 0 to ask only that.
	WillNeed(off, n int64) bool
}

// WillNeed requests bytes of s that are going to be read, if they come late. It reports whether they do: if not,
// reading ahead gains nothing.
func WillNeed(s any, off, n int64) bool {
	l, ok := s.(Late)
	return ok && off >= 0 && l.WillNeed(off, max(n, 0))
}

// IsLate reports whether the bytes of s come late.
func IsLate(s any) bool { return WillNeed(s, 0, 0) }

// WillNeed implements [Late] as far as the reader does.
func (w *whole) WillNeed(off, n int64) bool {
	return WillNeed(w.r, off, min(n, max(w.size-off, 0)))
}

// WillNeed implements [Late] as far as the source does.
func (s *section) WillNeed(off, n int64) bool {
	return WillNeed(s.src, s.off+off, min(n, max(s.size-off, 0)))
}

// WillNeed implements [Late] as far as the source does.
func (w *watched) WillNeed(off, n int64) bool { return WillNeed(w.Source, off, n) }

// WillNeed implements [Late] as far as the source does. Pages that the cache keeps are requested, too: the source
// knows which bytes it has.
func (c *Cache) WillNeed(off, n int64) bool { return c != nil && c.late && WillNeed(c.src, off, n) }

// maxAsked is how many extents of a reader are asked whether their bytes come late: all extents together are of few
// files.
const maxAsked = 16

// WillNeed implements [Late] through the sources of the extents.
func (r *Reader) WillNeed(off, n int64) bool {
	if n == 0 {
		for _, e := range r.extents[:min(len(r.extents), maxAsked)] {
			if IsLate(e.Src) {
				return true
			}
		}
		return false
	}
	late := false
	for i := r.at(off); i < len(r.extents) && r.extents[i].Off < off+n; i++ {
		e := r.extents[i]
		from := max(off, e.Off)
		late = WillNeed(e.Src, e.SrcOff+from-e.Off, min(off+n, e.End())-from) || late
	}
	return late
}
