package figure

import "image"

// legendRows is how many lines a legend of a diagram has in each of its columns.
const legendRows = 6

// entry is a line of the legend.
type entry struct {
	name   string
	colors []uint8 // several stand for several colours; hatched for hatching
	count  int64   // less than 0: it is not known
	late   bool    // the count is not known before the bytes are read
}

// legend explains the colours of a diagram, and counts the bytes of each colour.
func (s *diagramSheet) legend(found *Survey) [3][]entry {
	disk, memory := s.columns[OnDisk].sums(), s.columns[InMemory].sums()
	out := [3][]entry{{
		{"of the file, in its sections", []uint8{plainA, plainB}, disk[fileBytes], false},
		{"added by alignment, in memory", []uint8{paddedTint}, memory[alignedBytes], false},
		{"zeros that only memory has", []uint8{zeroTint}, memory[zeroBytes], false},
		{"only on disk, never in memory", []uint8{onlyTint}, disk[unmappedBytes] + disk[tailBytes], false},
		{"in no section, on disk", []uint8{white}, disk[noBytes], false},
		{"in no section, in memory", []uint8{white}, memory[noBytes], false},
	}}
	if found == nil {
		found = new(Survey)
	}
	out[1] = []entry{{"not recovered, of memory", []uint8{hatched}, found.Missing[InMemory], true},
		{"not recovered, of the file", []uint8{hatched}, found.Missing[Recovered], true}}
	for i, c := range []Class{MovedBytes, BoundBytes, LoaderBytes, DataWritten, HotPatched, HeaderDiffers, ConstantDiffers, TableDiffers, CodeDiffers, NoFile} {
		column := 1 + (i+2)/legendRows
		out[column] = append(out[column], entry{changes.looks[c].name, []uint8{changes.index(c, 0)}, found.count(c), true})
	}
	return out
}

// count returns how many bytes are changed of a class; less than 0: it is not known.
func (s *Survey) count(c Class) int64 {
	if known := s.Unknown == "" || s.Loader && c <= LoaderBytes; !known {
		return -1
	}
	return s.Counts[c]
}

func (s *diagramSheet) legendLine() int { return s.line(bodyStyle) + 8 }

// foot returns where the rule below the legend is.
func (s *diagramSheet) foot() int { return s.bottom + 24 + legendRows*s.legendLine() + 34 }

func (s *diagramSheet) drawLegend(p pen, found *Survey) {
	const width = sheetWidth / 3
	for column, entries := range s.legend(found) {
		for row, e := range entries {
			at := image.Pt(diagramMargin+column*width, s.bottom+24+row*s.legendLine())
			s.drawEntry(p, at, e, found == nil)
		}
	}
	text := ""
	if found != nil && found.Unknown != "" {
		text = "What else was changed is not known: " + found.Unknown
	}
	p.writeLate(bodyStyle, image.Pt(diagramMargin+width, s.bottom+24+legendRows*s.legendLine()), sheetWidth-width, text)
}

func (s *diagramSheet) drawEntry(p pen, at image.Point, e entry, measured bool) {
	swatch := image.Rect(at.X, at.Y, at.X+30, at.Y+s.line(bodyStyle)-1)
	for i, index := range e.colors {
		piece := swatch
		piece.Min.X += i * swatch.Dx() / len(e.colors)
		switch index {
		case hatched:
			p.hatch(piece)
		case white:
		default:
			p.fill(piece, index)
		}
	}
	p.frame(swatch, faint-1)
	number, dark := group(e.count), full
	switch {
	case measured && e.late:
		number = group(2 * MaxSize)
	case e.count < 0:
		number, dark = "not known", muted
	case e.count == 0:
		dark = muted
	}
	p.write(bodyStyle, dark, at.Add(image.Pt(42, 0)), e.name)
	p.writeRight(noteStyle, dark, at.Add(image.Pt(sheetWidth/3-24, 1)), number)
}

// footHeight is the height of the part below the rule.
func (s *diagramSheet) footHeight() int {
	return 14 + (len(s.notes)+noticeLines)*(s.line(bodyStyle)+3) + 5 + len(s.digests)*s.line(noteStyle) + diagramMargin
}

func (s *diagramSheet) drawFoot(p pen, found *Survey) {
	at := image.Pt(diagramMargin, s.foot())
	p.fill(image.Rect(at.X, at.Y, at.X+sheetWidth, at.Y+1), faint)
	at.Y += 14
	var notice []string
	if found != nil {
		notice = s.text.wrap(bodyStyle, printable(found.Notice, maxNotice), sheetWidth, noticeLines)
	}
	for i := range noticeLines {
		text := ""
		if i < len(notice) {
			text = notice[i]
		}
		p.writeLate(bodyStyle, at, sheetWidth, text)
		at.Y += s.line(bodyStyle) + 3
	}
	for _, text := range s.notes {
		p.write(bodyStyle, muted, at, s.text.cut(bodyStyle, text, sheetWidth))
		at.Y += s.line(bodyStyle) + 3
	}
	at.Y += 5
	for _, text := range s.digests {
		p.writeLate(noteStyle, at, sheetWidth, text)
		at.Y += s.line(noteStyle)
	}
}
