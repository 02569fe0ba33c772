package figure

// leastMark is how many pixels a grave dot is made wide and high: five bytes of
// a large program are not seen otherwise.
const leastMark = 6

// reach returns by how many dots grave ones are drawn larger, to each side.
func (l *layout) reach() (across, down int) {
	grow := func(zoom int) int { return (leastMark/zoom + 1) / 2 * min(leastMark/zoom/2, 1) }
	return grow(l.zoomX), grow(l.zoomY)
}

// enlarge draws the dots of a class, and of graver ones, larger than they are,
// over all that are less grave.
func (m *mixer) enlarge(least Class) {
	across, down := m.reach()
	if across+down == 0 {
		return
	}
	out := append([]mixture(nil), m.mixtures...)
	for i, dot := range m.mixtures {
		if dot.class >= least {
			m.spread(out, i, across, down)
		}
	}
	m.mixtures = out
}

// spread draws a dot over its neighbours.
func (m *mixer) spread(out []mixture, dot, across, down int) {
	class, column, row := m.mixtures[dot].class, dot/m.rows, dot%m.rows
	for x := max(column-across, 0); x <= min(column+across, m.columns-1); x++ {
		for y := max(row-down, 0); y <= min(row+down, m.rows-1); y++ {
			if i := x*m.rows + y; i < len(out) && (out[i].class < class || i == dot) {
				out[i] = mixture{class, uint32(m.dotBytes)} // not pale
			}
		}
	}
}
