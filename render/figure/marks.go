package figure

import (
	"image"
	"maps"
	"slices"
)

// maxNameRows is how many rows of names may stand above the ribbon.
const maxNameRows = 8

// usableMarks returns the marks within a file of size bytes, at most maxMarks,
// with names that can be shown.
func usableMarks(marks []Mark, size int64) []Mark {
	var out []Mark
	for _, m := range marks {
		span := Span{m.Off, m.Len}.clip(size)
		if span.Len > 0 && len(out) < maxMarks {
			out = append(out, Mark{span.Off, span.Len, printable(m.Label, 24)})
		}
	}
	slices.SortStableFunc(out, func(a, b Mark) int { return int(min(max(a.Off-b.Off, -1), 1)) })
	return out
}

// Where a name goes that is not in a row above the ribbon.
const (
	inRibbon = -1
	nowhere  = -2
)

// nameRows says where the names go: a row each, counted upwards from the
// ribbon, and where they begin, relative to the plot.
type nameRows struct {
	row, left []int
	used      int // rows
	dropped   int // names for which there was no room
}

// arrangeNames puts each name into its piece of the ribbon if it fits there, else above it, like a flag on a pole. From
// right to left, each flag flies above all flags whose poles it would run into.
func (s *sheet) arrangeNames() {
	n := nameRows{row: make([]int, len(s.marks)), left: make([]int, len(s.marks))}
	for i := len(s.marks) - 1; i >= 0; i-- {
		from, to := s.markX(s.marks[i])
		width := s.text.width(strongStyle, s.marks[i].Label)
		if width+s.px(8) <= to-from {
			n.row[i], n.left[i] = inRibbon, from+(to-from-width)/2
			continue
		}
		n.left[i] = min(from+s.px(4), s.width+s.margin()-s.px(4)-width)
		if n.row[i] = n.above(i, n.left[i]+width+s.px(6), s); n.row[i] == nowhere {
			n.dropped++
		}
		n.used = max(n.used, n.row[i]+1)
	}
	s.names = n
}

// above returns the lowest row for name i, which reaches to the right as far
// as end, given the rows of all names after it.
func (n *nameRows) above(i, end int, s *sheet) int {
	row := 0
	for j := i + 1; j < len(n.row); j++ {
		if from, _ := s.markX(s.marks[j]); n.row[j] >= 0 && min(from, n.left[j]) < end {
			row = max(row, n.row[j]+1)
		}
	}
	if row >= maxNameRows {
		return nowhere
	}
	return row
}

// markX returns where a mark's piece of the ribbon begins and ends, relative
// to the plot; it is at least a pixel wide.
func (s *sheet) markX(m Mark) (from, to int) {
	column := s.columnBytes()
	from = int(m.Off/column) * s.zoomX
	to = int((m.Off+m.Len+column-1)/column) * s.zoomX
	return from, max(to, from+1)
}

func (s *sheet) nameHeight() int   { return s.lineHeight(strongStyle) + s.px(1) }
func (s *sheet) ribbonHeight() int { return s.lineHeight(strongStyle) + s.px(4) }

// drawMarks draws the ribbon of sections, their names, and where each begins.
func (s *sheet) drawMarks() {
	boundaries := make(map[int64]bool)
	for i, m := range s.marks {
		s.drawRibbon(i, m)
		boundaries[m.Off], boundaries[m.Off+m.Len] = true, true
	}
	for _, off := range slices.Sorted(maps.Keys(boundaries)) {
		s.drawBoundary(off)
	}
	for i, m := range s.marks {
		s.drawName(i, m)
	}
	s.frame(s.plot, faint-1)
}

func (s *sheet) ribbonTop() int { return s.plot.Min.Y - s.px(4) - s.ribbonHeight() }

func (s *sheet) drawRibbon(i int, m Mark) {
	from, to := s.markX(m)
	top, left := s.ribbonTop(), s.plot.Min.X+from
	s.fill(image.Rect(left, top, s.plot.Min.X+to, top+s.ribbonHeight()), firstRibbon+uint8(i%2))
	s.fill(image.Rect(left, top, left+1, s.plot.Min.Y), ink)
}

func (s *sheet) drawName(i int, m Mark) {
	top, row := s.ribbonTop(), s.names.row[i]
	if row == nowhere {
		return
	}
	at := image.Pt(s.plot.Min.X+s.names.left[i], top+s.px(2))
	if row != inRibbon {
		at.Y = top - s.px(2) - (row+1)*s.nameHeight()
		from, _ := s.markX(m)
		pole := s.plot.Min.X + from
		s.fill(image.Rect(pole, at.Y+s.px(2), pole+1, top), ink)
	}
	s.write(strongStyle, full, at, m.Label)
}

// drawBoundary draws a dotted line over the plot before the byte at off: a
// step where that is not the first of its column.
func (s *sheet) drawBoundary(off int64) {
	if off <= 0 || off >= s.size {
		return
	}
	p := s.at(off)
	if p.Y > s.plot.Min.Y {
		next := image.Pt(min(p.X+s.zoomX, s.plot.Max.X-1), s.plot.Min.Y)
		s.dotted(next, image.Pt(next.X, p.Y))
		s.dotted(p, image.Pt(next.X, p.Y))
	}
	s.dotted(p, image.Pt(p.X, s.plot.Max.Y-1))
}
