package figure

import (
	"image"
	"image/color"
)

// NewDifference returns a PNG of two files byte by byte, each class in a colour
// of its own, with counts and percentages. Of the subject the texts and Marks
// are drawn; its Size, Data and Missing are not used. Errors are those of
// [NewMap].
func NewDifference(s Subject, c Comparison) (*Figure, error) {
	sheet, err := c.sheet(s)
	if err != nil {
		return nil, err
	}
	v := classValues
	if sheet.dotBytes > 1 {
		v = tintValues
	}
	size := sheet.lay(sheet.names.used, classLegend{})
	return newFigure(pngFile{}, func(plain bool) (drawing, error) { return c.draw(s, plain) },
		sheet.outlineOf(size, v, classLegend{})), nil
}

func (c *Comparison) draw(subject Subject, plain bool) (drawing, error) {
	s, err := c.sheet(subject)
	if err != nil {
		return drawing{}, err
	}
	dots, counts, err := classDots(c, s.layout)
	if err != nil {
		return drawing{}, err
	}
	lg := classLegend{counts}
	s.draw(s.lay(s.names.used, lg), classPalette(), dots, plain, lg)
	return drawing{[]*image.Paletted{s.Paletted}, s.Palette}, nil
}

// CheckComparison says why two files cannot be compared, by their sizes alone.
func CheckComparison(c Comparison) error { return c.check() }

// sheet measures the figure of a comparison.
func (c *Comparison) sheet(s Subject) (*sheet, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	s.Size = c.size()
	l := newLayout(s.Size, maxMapWidth)
	sizes := "The reference is " + byteSize(c.ReferenceSize) + ", the recovered file " + byteSize(c.RecoveredSize) + "."
	return newSheet(&s, l, sizes, l.scaleNotes("their gravest class, pale where it is few of them"))
}

// classColors are of Okabe and Ito's palette, which people who see colours
// differently can tell apart; what is equal steps back. What was not recovered
// is hatched instead.
func classColors() [classes]color.RGBA {
	return [classes]color.RGBA{
		Equal:     {0xe4, 0xea, 0xef, 0xff},
		Beyond:    {0xcc, 0x79, 0xa7, 0xff},
		Relocated: {0x56, 0xb4, 0xe9, 0xff},
		Bound:     {0x00, 0x9e, 0x73, 0xff},
		Slot:      {0xf0, 0xe4, 0x42, 0xff},
		Changed:   {0xd5, 0x5e, 0x00, 0xff},
	}
}

// tints is in how many steps a class is paler the fewer bytes of a dot are of
// it: half of them or more, an eighth or more, any.
const tints = 3

// classPalette returns a palette in which classIndex is the colour of a class.
func classPalette() color.Palette {
	p, colors := interfaceColors(), classColors()
	equal := colors[Equal]
	for _, c := range colors {
		for _, pale := range [tints]int{0, 2, 4} {
			p = append(p, color.RGBA{mix(c.R, equal.R, pale), mix(c.G, equal.G, pale), mix(c.B, equal.B, pale), 0xff})
		}
	}
	return p
}

func classIndex(c Class, tint int) uint8 {
	if c == NotRecovered {
		return hatched
	}
	return firstData + tints*uint8(c) + uint8(tint)
}

// legendOrder is the order of the classes in the legend, down, then right.
var legendOrder = [2][]Class{{Equal, Relocated, Bound, Slot}, {Changed, NotRecovered, Beyond}}

// classLegend is a table of the classes in two columns.
type classLegend struct{ counts Counts }

func (classLegend) lineHeight(s *sheet) int { return s.lineHeight(bodyStyle) + s.px(8) }

func (lg classLegend) height(s *sheet) int { return len(legendOrder[0]) * lg.lineHeight(s) }

func (lg classLegend) draw(s *sheet, at image.Point) {
	for column, order := range legendOrder {
		for row, class := range order {
			lg.drawLine(s, at.Add(image.Pt(column*s.px(430), row*lg.lineHeight(s))), class)
		}
	}
}

// drawLine writes a class: its colour, name, count and share.
func (lg classLegend) drawLine(s *sheet, at image.Point, c Class) {
	swatch := image.Rect(at.X, at.Y, at.X+s.px(30), at.Y+s.lineHeight(bodyStyle)-1)
	drawSwatch(s, swatch, c)
	name, n := c.String(), lg.counts[c]
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
func drawSwatch(s *sheet, r image.Rectangle, c Class) {
	defer s.frame(r, faint-1)
	if c == NotRecovered {
		s.hatch(r)
		return
	}
	s.fill(r, classIndex(c, 0))
	if s.dotBytes > 1 {
		r.Max.X -= r.Dx() / 3
		s.fill(r, classIndex(c, 1))
		r.Max.X -= r.Dx() / 2
		s.fill(r, classIndex(c, 2))
	}
}
