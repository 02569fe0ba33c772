package figure

import "image/color"

// NewDifference returns a PNG of two files byte by byte, each class in a colour of its own, with counts and
// percentages. It draws the texts and Marks of the subject; the subject's Size, Data and Missing are not used. Errors
// are the errors of [NewMap].
func NewDifference(s Subject, c Comparison) (*Figure, error) {
	sheet, err := c.sheet(s)
	if err != nil {
		return nil, err
	}
	lg := classLegend{scheme: differences}
	size := sheet.lay(sheet.names.used, lg)
	return newFigure(pngFile{}, func(plain bool) (drawing, error) { return c.draw(s, plain) },
		sheet.outlineOf(size, sheet.valuesOf(classValues, tintValues), lg)), nil
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
	if c.Notice != nil {
		s.subject.Notice = c.Notice(counts)
	}
	lg := classLegend{differences, counts}
	s.draw(s.lay(s.names.used, lg), differences.palette(), dots, plain, lg)
	return still(s.canvas), nil
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

// valuesOf returns which values dots have: of one byte, or of many.
func (l *layout) valuesOf(one, many values) values {
	if l.dotBytes > 1 {
		return many
	}
	return one
}

// differences are the classes of a comparison. Their colours are of Okabe and Ito's palette, which people who see
// colours differently can distinguish; equal bytes have a pale colour. Bytes that are missing in either file are
// hatched instead.
var differences = &scheme{
	looks: []look{
		Equal:          {"equal", color.RGBA{0xe4, 0xea, 0xef, 0xff}},
		Beyond:         {"beyond the end", color.RGBA{0xcc, 0x79, 0xa7, 0xff}},
		Relocated:      {"changed by relocation", color.RGBA{0x56, 0xb4, 0xe9, 0xff}},
		Bound:          {"changed by import binding", color.RGBA{0x00, 0x9e, 0x73, 0xff}},
		Slot:           {"changed in a loader's slot", color.RGBA{0xf0, 0xe4, 0x42, 0xff}},
		NotRecovered:   {"not recovered", color.RGBA{}},
		NotInReference: {"missing in the reference", color.RGBA{}},
		Changed:        {"otherwise changed", color.RGBA{0xd5, 0x5e, 0x00, 0xff}},
	},
	plain: Equal, hatched: []Class{NotRecovered, NotInReference},
	legend: [2][]Class{{Equal, Relocated, Bound, Slot}, {Changed, NotRecovered, NotInReference, Beyond}},
}
