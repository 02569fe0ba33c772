package figure

import (
	"image"
	"strconv"
)

// blinkDelay is how long a frame is shown, in hundredths of a second: a round
// of two takes a second.
const blinkDelay = 50

// NewBlink returns an animated GIF of two files in turn, at the same scale and
// in the same place, so that what differs moves. Each frame has the title,
// sections, legend and digest of its file. A round takes a second, and it
// goes on for ever. Errors are those of [NewMap].
func NewBlink(a, b Subject) (*Figure, error) {
	sheets, rows, err := byteSheets(maxBlinkWidth, []Subject{a, b})
	if err != nil {
		return nil, err
	}
	outlines := make([]*outline, len(sheets))
	for i, s := range sheets {
		outlines[i] = s.outlineOf(s.lay(rows, byteLegend{}), byteValues, byteLegend{})
		s.drawTurn(i, len(sheets))
	}
	return newFigure(gifFile{blinkDelay}, func(plain bool) (drawing, error) {
		return drawBytes(maxBlinkWidth, plain, a, b)
	}, outlines...), nil
}

// byteSheets measures the frames of a figure; with so many rows of names they
// come out equally large.
func byteSheets(maxWidth int, subjects []Subject) (sheets []*sheet, rows int, err error) {
	var size int64
	for _, s := range subjects {
		size = max(size, s.Size)
	}
	digests, marked := 0, false
	for i := range subjects {
		s, err := subjects[i].sheet(size, maxWidth)
		if err != nil {
			return nil, 0, err
		}
		sheets = append(sheets, s)
		rows, digests, marked = max(rows, s.names.used), max(digests, len(s.digests)), marked || s.ribbon
	}
	for _, s := range sheets {
		s.ribbon = marked
		s.digests = append(s.digests, make([]string, digests-len(s.digests))...)
	}
	return sheets, rows, nil
}

// drawTurn shows at the top right which of n frames this is.
func (s *sheet) drawTurn(i, n int) {
	side := s.px(26)
	for j := range n {
		right := s.plot.Min.X + s.width - (n-1-j)*(side+s.px(6))
		box := image.Rect(right-side, s.margin(), right, s.margin()+side)
		label := strconv.Itoa(j + 1)
		at := image.Pt(box.Min.X+(side-s.text.width(strongStyle, label))/2, box.Min.Y+(side-s.lineHeight(strongStyle))/2)
		if j == i {
			s.fill(box, ink)
			s.write(strongStyle, inverse, at, label)
		} else {
			s.frame(box.Inset(1), faint)
			s.write(strongStyle, muted, at, label)
		}
	}
}
