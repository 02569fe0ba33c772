package figure

// mixture is the mixture of bytes in a dot: n bytes of its gravest class.
type mixture struct {
	class Class
	n     uint32
}

// add adds n bytes of each class.
func (m *mixture) add(n *Counts) {
	for c := Class(mostClasses - 1); c > m.class; c-- {
		if n[c] > 0 {
			*m = mixture{c, uint32(n[c])}
			return
		}
	}
	m.n += uint32(n[m.class])
}

// tint returns how pale a dot of so many bytes is.
func (m mixture) tint(bytes int64) int {
	switch n := int64(m.n); {
	case 2*n >= bytes:
		return 0
	case 8*n >= bytes:
		return 1
	}
	return 2
}

// mixer sorts the classes of a comparison into dots.
type mixer struct {
	*layout
	*scheme
	mixtures []mixture
	counts   Counts
}

// take implements [taker].
func (m *mixer) take(p []Class, off int64) {
	if m.dotBytes == 1 {
		n := count(p)
		m.counts.add(&n)
		for i, class := range p {
			m.mixtures[off+int64(i)] = mixture{class, 1}
		}
		return
	}
	for len(p) > 0 {
		dot := off / m.dotBytes
		part := min((dot+1)*m.dotBytes-off, int64(len(p)))
		n := count(p[:part])
		m.mixtures[dot].add(&n)
		m.counts.add(&n)
		p, off = p[part:], off+part
	}
}

// takeRun implements [taker].
func (m *mixer) takeRun(class Class, off, n int64) {
	m.counts[class] += n
	for n > 0 {
		dot := off / m.dotBytes
		part := min((dot+1)*m.dotBytes-off, n)
		var counts Counts
		counts[class] = part
		m.mixtures[dot].add(&counts)
		off, n = off+part, n-part
	}
}

// dots returns the dots as indexes of the scheme's palette.
func (m *mixer) dots() []uint8 {
	dots := make([]uint8, len(m.mixtures))
	for i, mix := range m.mixtures {
		bytes := min(m.dotBytes, m.size-int64(i)*m.dotBytes)
		dots[i] = m.index(mix.class, mix.tint(bytes))
	}
	return dots
}

func newMixer(l *layout, s *scheme) *mixer {
	return &mixer{layout: l, scheme: s, mixtures: make([]mixture, l.dots())}
}

// classDots returns the dots of a comparison as indexes of its palette, and
// how many bytes are of each class.
func classDots(c *Comparison, l *layout) ([]uint8, Counts, error) {
	m := newMixer(l, differences)
	err := c.each(m)
	return m.dots(), m.counts, err
}
