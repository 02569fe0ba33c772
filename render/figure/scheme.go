package figure

import (
	"image"
	"image/color"
	"slices"
)

// scheme says how the classes of a figure look, the gravest last.
type scheme struct {
	looks   []look
	plain   Class      // steps back: the others fade to it
	hatched []Class    // have no colour
	legend  [2][]Class // of the legend, down, then right
}

// look is the name of a class in a legend, and its colour.
type look struct {
	name  string
	color color.RGBA
}

// tints is the number of tints of a class. A dot is paler when fewer of its bytes are of the class: half of the bytes
// or more, an eighth or more, any.
const tints = 3

// palette returns a palette in which index is the colour of a class.
func (s *scheme) palette() color.Palette {
	p, plain := interfaceColors(), s.looks[s.plain].color
	for _, l := range s.looks {
		c := l.color
		for _, pale := range [tints]int{0, 2, 4} {
			p = append(p, color.RGBA{mix(c.R, plain.R, pale), mix(c.G, plain.G, pale), mix(c.B, plain.B, pale), 0xff})
		}
	}
	return p
}

// index returns the colour of a class.
func (s *scheme) index(c Class, tint int) uint8 {
	if slices.Contains(s.hatched, c) {
		return hatched
	}
	return firstData + tints*uint8(c) + uint8(tint)
}

// classLegend is a table of the classes in two columns.
type classLegend struct {
	*scheme
	counts Counts
}

func (classLegend) lineHeight(s *sheet) int { return s.lineHeight(bodyStyle) + s.px(8) }

func (lg classLegend) height(s *sheet) int {
	return max(len(lg.legend[0]), len(lg.legend[1])) * lg.lineHeight(s)
}

func (lg classLegend) draw(s *sheet, at image.Point) {
	for column, order := range lg.legend {
		for row, class := range order {
			lg.drawLine(s, at.Add(image.Pt(column*s.px(430), row*lg.lineHeight(s))), class)
		}
	}
}

// drawLine writes a class: its colour, name, count and share.
func (lg classLegend) drawLine(s *sheet, at image.Point, c Class) {
	swatch := image.Rect(at.X, at.Y, at.X+s.px(30), at.Y+s.lineHeight(bodyStyle)-1)
	lg.drawSwatch(s, swatch, c)
	name, n := lg.looks[c].name, lg.counts[c]
	dark := full
	if n == 0 {
		dark = muted
	}
	s.write(bodyStyle, dark, at.Add(image.Pt(s.px(42), 0)), name)
	number, share := group(n), percent(n, lg.counts.Total())
	if s.outline != nil {
		number, share = group(s.size), mostPercent // they are not known yet
	}
	s.writeRight(noteStyle, dark, at.Add(image.Pt(s.px(325), s.px(1))), number)
	s.writeRight(noteStyle, dark, at.Add(image.Pt(s.px(400), s.px(1))), share)
}

// drawSwatch draws the colour of a class; where dots are of several bytes, its
// tints from left to right.
func (lg classLegend) drawSwatch(s *sheet, r image.Rectangle, c Class) {
	defer s.frame(r, faint-1)
	if slices.Contains(lg.hatched, c) {
		s.hatch(r)
		return
	}
	s.fill(r, lg.index(c, 0))
	if s.dotBytes > 1 {
		r.Max.X -= r.Dx() / 3
		s.fill(r, lg.index(c, 1))
		r.Max.X -= r.Dx() / 2
		s.fill(r, lg.index(c, 2))
	}
}
