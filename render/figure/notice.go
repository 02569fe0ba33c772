package figure

import (
	"image"
	"strings"
)

// The sentence of a figure that says what to notice in it is not known when the figure is measured.
const (
	maxNotice   = 400 // letters of it
	noticeLines = 2
)

// longestLine is a text that is as wide as a line.
var longestLine = strings.Repeat("Ä", maxLetters)

// wrap breaks a text into lines of a width, at spaces. What there are too many of
// is cut.
func (t *typesetter) wrap(s style, text string, width, lines int) (out []string) {
	for text = strings.TrimSpace(text); text != ""; {
		n := t.fits(s, text, width)
		if len(out) == lines-1 || n == 0 {
			return append(out, t.cut(s, text, width))
		}
		out = append(out, strings.TrimSpace(text[:n]))
		text = strings.TrimSpace(text[n:])
	}
	return out
}

// fits returns how much of a text is no wider than a line, in whole words; 0: not a word.
func (t *typesetter) fits(s style, text string, width int) int {
	if t.width(s, text) <= width {
		return len(text)
	}
	last := 0
	for i, c := range text {
		if c == ' ' {
			if t.width(s, text[:i]) > width {
				break
			}
			last = i
		}
	}
	return last
}

// noticeHeight is the height of the sentence on what to notice.
func (s *sheet) noticeHeight() int {
	if !s.noticed {
		return 0
	}
	return noticeLines*(s.lineHeight(bodyStyle)+s.px(3)) + s.px(4)
}

// drawNotice writes the sentence on what to notice, and returns its height.
func (s *sheet) drawNotice(at image.Point) int {
	if !s.noticed {
		return 0
	}
	lines := s.text.wrap(bodyStyle, printable(s.subject.Notice, maxNotice), s.width, noticeLines)
	if s.outline != nil { // it is not known yet
		lines = []string{longestLine, longestLine}
	}
	for i, line := range lines {
		s.write(bodyStyle, full, at.Add(image.Pt(0, i*(s.lineHeight(bodyStyle)+s.px(3)))), s.text.cut(bodyStyle, line, s.width))
	}
	return s.noticeHeight()
}
