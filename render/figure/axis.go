package figure

import (
	"fmt"
	"image"
)

// rowLabel is the offset, within a column, of quarter i of the plot's height.
func (s *sheet) rowLabel(i int) string {
	return fmt.Sprintf("+%#x", s.columnBytes()/4*int64(i))
}

// drawRows writes the offsets within a column at the left.
func (s *sheet) drawRows() {
	for i := range 4 {
		y := s.plot.Min.Y + i*plotHeight/4
		s.fill(image.Rect(s.plot.Min.X-s.px(6), y, s.plot.Min.X-1, y+1), faint)
		up := s.lineHeight(noteStyle) / 2
		if i == 0 {
			up = s.px(3)
		}
		s.writeRight(noteStyle, muted, image.Pt(s.plot.Min.X-s.px(9), y-up), s.rowLabel(i))
	}
}

func (s *sheet) axisHeight() int { return s.px(11) + s.lineHeight(noteStyle) }

// tickStep returns the distance of the labelled offsets: a power of two of at
// least a column and, for all but small files, a page.
func (s *sheet) tickStep() int64 {
	last := fmt.Sprintf("%#x", s.size)
	room := int64(s.text.width(noteStyle, last) + s.px(26))
	step := s.columnBytes()
	if s.size >= 8<<12 {
		step = max(step, 1<<12)
	}
	for step/s.columnBytes()*int64(s.zoomX) < room {
		step *= 2
	}
	return step
}

// drawOffsets writes the offsets of columns below the plot.
func (s *sheet) drawOffsets() {
	step, y := s.tickStep(), s.plot.Max.Y+1
	limit := s.plot.Min.X + s.width + s.margin()
	s.minorTicks(step, y)
	for off := int64(0); off < max(s.size, 1); off += step {
		x := s.at(off).X
		s.fill(image.Rect(x, y, x+1, y+s.px(7)), ink)
		label := fmt.Sprintf("%#x", off)
		left := x - s.text.width(noteStyle, label)/2
		if off == 0 {
			left = x
		}
		if left+s.text.width(noteStyle, label) < limit {
			s.write(noteStyle, full, image.Pt(left, y+s.px(9)), label)
		}
	}
}

// minorTicks marks the quarters between labelled offsets.
func (s *sheet) minorTicks(step int64, y int) {
	if step /= 4; step < s.columnBytes() {
		return
	}
	for off := step; off < s.size; off += step {
		x := s.at(off).X
		s.fill(image.Rect(x, y, x+1, y+s.px(4)), faint-2)
	}
}
