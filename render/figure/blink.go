package figure

import (
	"errors"
	"image"
	"slices"
	"strconv"
	"strings"
)

// blinkDelay is how long a frame is shown, in hundredths of a second: a round
// of two takes a second.
const blinkDelay = 50

// NewBlink returns an animated GIF of files in turn, at the same scale and in the same place, so that differences move.
// Each frame has the title, sections, legend and digest of its file, and its own number among the frames. Each is shown
// for half a second, and it goes on for ever. Errors are the errors of [NewMap].
func NewBlink(frames ...Subject) (*Figure, error) {
	frames = slices.Clone(frames)
	sheets, rows, err := byteSheets(maxBlinkWidth, frames)
	if err != nil {
		return nil, err
	}
	if len(sheets) == 0 {
		return nil, errors.New("figure: an animation of nothing")
	}
	outlines := make([]*outline, len(sheets))
	for i, s := range sheets {
		outlines[i] = s.outlineOf(s.lay(rows, byteLegend{}), byteValues, byteLegend{})
		s.drawTurn(i, frames)
	}
	return newFigure(gifFile{blinkDelay}, func(plain bool) (drawing, error) {
		return drawBytes(maxBlinkWidth, plain, frames...)
	}, outlines...), nil
}

// byteSheets measures the frames of a figure; with so many rows of names they
// come out equally large.
func byteSheets(maxWidth int, subjects []Subject) (sheets []*sheet, rows int, err error) {
	var size int64
	for _, s := range subjects {
		size = max(size, s.Size)
	}
	digests, marked, noticed := 0, false, false
	for i := range subjects {
		s, err := subjects[i].sheet(size, maxWidth)
		if err != nil {
			return nil, 0, err
		}
		sheets = append(sheets, s)
		rows, digests, marked = max(rows, s.names.used), max(digests, len(s.digests)), marked || s.ribbon
		noticed = noticed || s.noticed
	}
	for _, s := range sheets {
		s.ribbon, s.noticed = marked, noticed
		if len(subjects) > 1 {
			s.turn = s.turnWidth(subjects)
		}
		s.digests = append(s.digests, make([]string, digests-len(s.digests))...)
	}
	return sheets, rows, nil
}

// turnOf is the name of a frame: its number, and its own name if it has one.
func turnOf(i int, frames []Subject) string {
	return strings.TrimSpace(strconv.Itoa(i+1) + " " + printable(frames[i].Frame, 24))
}

// boxWidth is the width of the box that shows the name of a frame.
func (s *sheet) boxWidth(text string) int {
	return max(s.text.width(strongStyle, text)+s.px(12), s.px(26))
}

// turnWidth is the width of the boxes of all frames together.
func (s *sheet) turnWidth(frames []Subject) int {
	n := 0
	for i := range frames {
		n += s.boxWidth(turnOf(i, frames)) + s.px(6)
	}
	return n
}

// drawTurn shows at the top right which frame this is.
func (s *sheet) drawTurn(i int, frames []Subject) {
	height := s.px(26)
	left := s.plot.Min.X + s.width + s.px(6) - s.turn
	for j := range frames {
		label := turnOf(j, frames)
		box := image.Rect(left, s.margin(), left+s.boxWidth(label), s.margin()+height)
		at := image.Pt(box.Min.X+(box.Dx()-s.text.width(strongStyle, label))/2, box.Min.Y+(height-s.lineHeight(strongStyle))/2)
		if j == i {
			s.fill(box, ink)
			s.write(strongStyle, inverse, at, label)
		} else {
			s.frame(box.Inset(1), faint)
			s.write(strongStyle, muted, at, label)
		}
		left = box.Max.X + s.px(6)
	}
}
