package figure

import "image/color"

// Changes gives each byte of an executable image in memory a class.
type Changes struct {
	// Verdict sums it up in a sentence, and Gravest is the class in whose colour
	// it is written.
	Verdict string
	Gravest Class
	// Plain is the class of bytes that do not differ: AsFile or NoFile.
	Plain Class
	// Each reports the classes of the bytes, in any order. It reports all compared bytes as Plain, and the bytes that
	// differ a second time, with the class of their difference. Bytes that it does not report are missing. An error is
	// from reading the data.
	Each func(tell func(c Class, off, n int64)) error
}

// The classes of the bytes of an image, the gravest last.
const (
	Absent          Class = iota // not recovered
	NotCompared                  // in memory, but the file's own bytes are missing
	AsFile                       // as in the file
	MovedBytes                   // the loader moved the number with the image
	BoundBytes                   // the loader bound the import
	LoaderBytes                  // the loader set it for itself
	DataWritten                  // in a section that is meant to be written
	HotPatched                   // a hot patch of Windows
	HeaderDiffers                // the header
	ConstantDiffers              // read-only data
	TableDiffers                 // an import or an export leads elsewhere
	NoFile                       // not of the file that the image claims to be of
	CodeDiffers                  // code
)

// changes are the classes of an image's bytes. Changes that Windows makes are in cool colours, other changes in warm or
// dark ones; people who see colours differently can distinguish them by their lightness.
var changes = &scheme{
	looks: []look{
		Absent:          {"not recovered", color.RGBA{}},
		NotCompared:     {"cannot be compared", color.RGBA{0xae, 0xc7, 0xbf, 0xff}},
		AsFile:          {"as in the file", color.RGBA{0xe9, 0xee, 0xf2, 0xff}},
		MovedBytes:      {"relocated", color.RGBA{0x56, 0xb4, 0xe9, 0xff}},
		BoundBytes:      {"import bound", color.RGBA{0x07, 0x9b, 0x5d, 0xff}},
		LoaderBytes:     {"set by the loader", color.RGBA{0xf0, 0xe4, 0x42, 0xff}},
		DataWritten:     {"data written", color.RGBA{0x1b, 0x5a, 0xab, 0xff}},
		HotPatched:      {"hot patch", color.RGBA{0xbd, 0x7d, 0xb6, 0xff}},
		HeaderDiffers:   {"header changed or erased", color.RGBA{0x4b, 0x0f, 0x6b, 0xff}},
		ConstantDiffers: {"read-only data changed", color.RGBA{0x69, 0x42, 0x00, 0xff}},
		TableDiffers:    {"import or export changed", color.RGBA{0xe6, 0x9f, 0x00, 0xff}},
		NoFile:          {"not of the file", color.RGBA{0xc8, 0x00, 0x20, 0xff}},
		CodeDiffers:     {"code changed", color.RGBA{0xfd, 0x30, 0x00, 0xff}},
	},
	plain: AsFile, hatched: []Class{Absent},
	legend: [2][]Class{
		{CodeDiffers, NoFile, TableDiffers, ConstantDiffers, HeaderDiffers, HotPatched},
		{AsFile, MovedBytes, BoundBytes, LoaderBytes, DataWritten, NotCompared, Absent},
	},
}

// NewChanges returns a PNG of an image by RVA: each byte in the colour of its class, beside the file that it was mapped
// from. It draws the texts, Marks and Size of the subject. To learn the size, Changes may be empty. Errors are the
// errors of [NewMap].
func NewChanges(s Subject, c Changes) (*Figure, error) {
	sheet, err := changeSheet(&s, c)
	if err != nil {
		return nil, err
	}
	lg := classLegend{scheme: changes}
	size := sheet.lay(sheet.names.used, lg)
	return newFigure(pngFile{}, func(plain bool) (drawing, error) { return c.draw(s, plain) },
		sheet.outlineOf(size, sheet.valuesOf(changeValues, changeTintValues), lg)), nil
}

// changeSheet measures the figure.
func changeSheet(s *Subject, c Changes) (*sheet, error) {
	if err := CheckSize(s.Size); err != nil {
		return nil, err
	}
	l := newLayout(s.Size, maxMapWidth)
	size := byteSize(s.Size) + " of addresses."
	if across, down := l.reach(); across+down > 0 {
		size += "  What Windows does not change is drawn larger than it is."
	}
	out, err := newSheet(s, l, s.Subtitle, size, l.scaleNotes("their gravest class, pale where it is few of them"))
	if err == nil {
		out.verdict = &verdict{c.Verdict, changes.index(c.Gravest, 0)}
	}
	return out, err
}

func (c *Changes) draw(subject Subject, plain bool) (drawing, error) {
	s, err := changeSheet(&subject, *c)
	if err != nil {
		return drawing{}, err
	}
	m := newMixer(s.layout, changes)
	if err := m.takeChanges(c); err != nil {
		return drawing{}, err
	}
	m.enlarge(HotPatched)
	lg := classLegend{changes, m.counts}
	s.draw(s.lay(s.names.used, lg), changes.palette(), m.dots(), plain, lg)
	return still(s.canvas), nil
}

// takeChanges sorts an image's bytes into dots.
func (m *mixer) takeChanges(c *Changes) error {
	err := c.Each(func(class Class, off, n int64) {
		if s := (Span{off, n}).clip(m.size); s.Len > 0 {
			m.takeRun(class, s.Off, s.Len)
		}
	})
	m.settle(c.Plain)
	return err
}

// settle counts each byte once: bytes that differ were also reported as plain, and bytes that were not reported are
// missing.
func (m *mixer) settle(plain Class) {
	differ := m.counts.Total() - m.counts[Absent] - m.counts[NotCompared] - m.counts[plain]
	m.counts[plain] = max(m.counts[plain]-differ, 0)
	m.counts[Absent] = max(m.size-m.counts[plain]-m.counts[NotCompared]-differ, 0)
}
