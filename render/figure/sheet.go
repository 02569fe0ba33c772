package figure

import (
	"image"
	"image/color"
	"strings"
)

// Limits on the texts, whatever the input holds.
const (
	maxLetters       = 200 // of a title or subtitle
	maxDigestLines   = 4
	maxDigestLetters = 88  // of one digest
	maxMarks         = 256 // sections drawn
)

// sheet is one figure: where things go, and the canvas once it is known how
// large it must be.
//
// From the top: title, subtitle, names of sections, plot, offsets, legend, a
// rule, the scale, the digests. All but the row offsets, which hang in the
// gutter, align with the left edge of the plot.
type sheet struct {
	*canvas
	*layout
	subject *Subject
	marks   []Mark
	ribbon  bool // there is room for the marks
	digests []string
	notes   []string // sizes, and how dots stand for bytes
	scale   float64  // of text and spaces: a wide figure is looked at from afar
	width   int      // of the part between the margins, at least the plot's
	names   nameRows
	verdict *verdict // instead of a subtitle, which is a note then; nil: none
	noticed bool     // there is room for the sentence on what to notice
	turn    int      // width at the top right for the names of several frames
}

// verdict is a line that is known when a figure is drawn.
type verdict struct {
	text  string
	color uint8
}

// legend explains the colours of a figure.
type legend interface {
	height(s *sheet) int
	draw(s *sheet, at image.Point)
}

// newSheet measures a figure; lay places its parts.
func newSheet(subject *Subject, l *layout, notes ...string) (*sheet, error) {
	width := l.columns * l.zoomX
	s := &sheet{layout: l, subject: subject, notes: notes,
		scale: min(max(float64(width)/minWidth, 1), 1.6)}
	text, err := newTypesetter(s.scale)
	if err != nil {
		return nil, err
	}
	s.canvas = &canvas{text: text}
	s.width = max(width, s.px(860))
	s.marks = usableMarks(subject.Marks, subject.Size)
	s.ribbon = len(s.marks) > 0
	s.digests, s.noticed = digestLines(subject.Digest), subject.Notice != ""
	s.arrangeNames()
	if n := s.names.dropped; n > 0 {
		s.notes[0] += "  No room for the names of " + plural(int64(n), "section") + "."
	}
	return s, nil
}

// px scales a length of the design to pixels.
func (s *sheet) px(n float64) int { return int(n*s.scale + 0.5) }

func (s *sheet) margin() int { return s.px(30) }

// gutter is the width left of the plot: the margin and the row offsets.
func (s *sheet) gutter() int {
	return s.margin() + s.text.width(noteStyle, s.rowLabel(3)) + s.px(10)
}

func (s *sheet) lineHeight(st style) int {
	h, _ := s.text.height(st)
	return h
}

// head is the height of everything above the plot, without the names.
func (s *sheet) head() int {
	return s.margin() + s.lineHeight(titleStyle) + s.px(3) + s.lineHeight(bodyStyle) + s.px(16)
}

// foot is the height of everything below the legend.
func (s *sheet) foot() int {
	return s.px(37) + s.noticeHeight() + len(s.notes)*(s.lineHeight(bodyStyle)+s.px(3)) + len(s.digests)*s.lineHeight(noteStyle) + s.margin()
}

// lay places the plot below so many rows of names and returns the size of the
// whole figure.
func (s *sheet) lay(nameRows int, lg legend) image.Point {
	top := s.head()
	if s.ribbon {
		top += nameRows*s.nameHeight() + s.px(2) + s.ribbonHeight() + s.px(4)
	}
	s.place(image.Pt(s.gutter(), top))
	bottom := s.plot.Max.Y + s.axisHeight() + s.px(20) + lg.height(s) + s.foot()
	return image.Pt(s.gutter()+s.width+s.margin(), bottom)
}

// draw draws the figure: the dots of the data, and everything else.
func (s *sheet) draw(size image.Point, colors color.Palette, dots []uint8, plain bool, lg legend) {
	s.canvas = newCanvas(size, colors, s.text, nil)
	s.drawDots(s.layout, dots, plain)
	s.drawAll(lg)
}

// outlineOf returns the outline of the figure.
func (s *sheet) outlineOf(size image.Point, v values, lg legend) *outline {
	s.canvas = outlined(size, s.text, s.layout, v)
	s.drawAll(lg)
	return s.outline
}

// drawAll draws everything but the dots.
func (s *sheet) drawAll(lg legend) {
	s.drawHead()
	s.drawMarks()
	s.drawRows()
	s.drawOffsets()
	at := image.Pt(s.plot.Min.X, s.plot.Max.Y+s.axisHeight()+s.px(20))
	lg.draw(s, at)
	s.drawFoot(at.Y + lg.height(s))
}

func (s *sheet) drawHead() {
	at := image.Pt(s.plot.Min.X, s.margin())
	line := func(st style, dark shade, text string, width int) {
		s.write(st, dark, at, s.text.cut(st, printable(text, maxLetters), width))
		at.Y += s.lineHeight(st) + s.px(3)
	}
	line(titleStyle, full, s.subject.Title, s.width-s.turn)
	if s.verdict != nil {
		s.drawVerdict(at)
		return
	}
	line(bodyStyle, muted, s.subject.Subtitle, s.width)
}

// drawVerdict writes the verdict beside a field of its colour.
func (s *sheet) drawVerdict(at image.Point) {
	field := image.Rect(at.X, at.Y+s.px(2), at.X+s.px(30), at.Y+s.lineHeight(bodyStyle)-s.px(1))
	s.fill(field, s.verdict.color)
	text := s.verdict.text
	if s.outline != nil {
		text = longestLine
	}
	left := s.px(42)
	s.write(bodyStyle, full, at.Add(image.Pt(left, 0)), s.text.cut(bodyStyle, printable(text, maxLetters), s.width-left))
}

func (s *sheet) drawFoot(y int) {
	at := image.Pt(s.plot.Min.X, y+s.px(18))
	s.fill(image.Rect(at.X, at.Y, at.X+s.width, at.Y+1), faint)
	at.Y += s.px(14)
	at.Y += s.drawNotice(at)
	for _, line := range s.notes {
		s.write(bodyStyle, muted, at, s.text.cut(bodyStyle, line, s.width))
		at.Y += s.lineHeight(bodyStyle) + s.px(3)
	}
	at.Y += s.px(5)
	for _, line := range s.digests {
		if s.outline != nil {
			line = strings.Repeat("0", maxDigestLetters) // it may not be known yet
		}
		s.write(noteStyle, full, at, s.text.cut(noteStyle, line, s.width))
		at.Y += s.lineHeight(noteStyle)
	}
}

func digestLines(text string) []string {
	if text == "" {
		return nil
	}
	lines := strings.SplitN(text, "\n", maxDigestLines+1)
	if len(lines) > maxDigestLines {
		lines = lines[:maxDigestLines]
	}
	for i := range lines {
		lines[i] = printable(lines[i], maxDigestLetters)
	}
	return lines
}
