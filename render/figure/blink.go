package figure

import (
	"image"
	"strconv"
)

// blinkDelay is how long a frame is shown, in hundredths of a second: a round
// of two takes a second.
const blinkDelay = 50

// Blink returns an animated GIF of two files in turn, at the same scale and
// in the same place, so that what differs moves. Each frame has the title,
// sections, legend and digest of its file. A round takes a second, and it
// goes on for ever. Errors are those of [Map].
func Blink(a, b Subject) ([]byte, error) {
	frames, err := drawBlink(&a, &b)
	if err != nil {
		return nil, err
	}
	return encodeGIF(blinkDelay, frames...)
}

func drawBlink(subjects ...*Subject) ([]*image.Paletted, error) {
	var size int64
	for _, s := range subjects {
		if err := checkSize(s.Size); err != nil {
			return nil, err
		}
		size = max(size, s.Size)
	}
	samples := make([]*sample, len(subjects))
	for i, s := range subjects {
		var err error
		if samples[i], err = take(s, newLayout(size, maxBlinkWidth)); err != nil {
			return nil, err
		}
	}
	colors, dots := index(samples...)
	sheets, err := blinkSheets(subjects, size)
	if err != nil {
		return nil, err
	}
	frames := make([]*image.Paletted, len(sheets))
	rows := max(sheets[0].names.used, sheets[1].names.used)
	for i, s := range sheets {
		lg := byteLegend{colors, total(normalize(subjects[i].Missing, subjects[i].Size))}
		s.lay(rows, colors, lg)
		s.drawDots(s.layout, dots[i])
		s.draw(lg)
		s.drawTurn(i, len(sheets))
		frames[i] = s.Paletted
	}
	return frames, nil
}

// blinkSheets measures the frames; they come out equally large.
func blinkSheets(subjects []*Subject, size int64) ([]*sheet, error) {
	sheets := make([]*sheet, len(subjects))
	digests, marked := 0, false
	for i, s := range subjects {
		l := newLayout(size, maxBlinkWidth)
		var err error
		if sheets[i], err = newSheet(s, l, byteSize(s.Size)+".", l.scaleNotes("their mean colour")); err != nil {
			return nil, err
		}
		digests = max(digests, len(sheets[i].digests))
		marked = marked || len(sheets[i].marks) > 0
	}
	for _, s := range sheets {
		s.ribbon = marked
		for len(s.digests) < digests {
			s.digests = append(s.digests, "")
		}
	}
	return sheets, nil
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
