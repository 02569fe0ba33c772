package figure

import (
	"fmt"
	"image"
)

// Widths in a diagram, in pixels.
const (
	labelWidth  = 240 // of names and offsets
	stripWidth  = 46  // of the bytes
	laneWidth   = 14  // of the changes
	columnWidth = labelWidth + stripWidth + 4 + laneWidth
	bandWidth   = 110
	sheetWidth  = int(Layouts)*columnWidth + (int(Layouts)-1)*bandWidth
)

// diagramSheet says where the things of a diagram are. From the top: title, subtitle, heads of the columns, columns,
// legend, a rule, the sentence on what to notice, notes, digests.
type diagramSheet struct {
	*placed
	diagram *Diagram
	text    *typesetter
	notes   []string
	digests []string
	top     int // of the columns
	bottom  int
	size    image.Point
}

const diagramMargin = 30

func (d *Diagram) sheet() (*diagramSheet, error) {
	p, err := d.place()
	if err != nil {
		return nil, err
	}
	text, err := newTypesetter(1)
	if err != nil {
		return nil, err
	}
	s := &diagramSheet{placed: p, diagram: d, text: text, digests: digestLines(d.Digest)}
	s.notes = []string{s.scaleNote() + s.namelessNote()}
	if odd := d.oddNote(s.layouts()); odd != "" {
		s.notes = append(s.notes, odd)
	}
	s.top = diagramMargin + s.line(titleStyle) + 3 + s.line(bodyStyle) + 18 + s.line(strongStyle) + s.line(bodyStyle) + 8
	for i := range p.columns {
		s.bottom = max(s.bottom, s.top+p.columns[i].height())
	}
	s.size = image.Pt(sheetWidth+2*diagramMargin, s.foot()+s.footHeight())
	return s, nil
}

func (s *diagramSheet) line(st style) int {
	h, _ := s.text.height(st)
	return h
}

// layouts are the columns without their places.
func (s *diagramSheet) layouts() *[Layouts]column {
	var out [Layouts]column
	for i := range s.columns {
		out[i] = s.columns[i].column
	}
	return &out
}

func (s *diagramSheet) scaleNote() string {
	text := fmt.Sprintf("Scale: 1 row of pixels = %s, the same in all columns", plural(s.pixel, "byte"))
	return text + "; what is smaller than its name, or than two rows, is drawn larger."
}

// namelessNote counts the sections for whose names there is no room in any column.
func (s *diagramSheet) namelessNote() string {
	named := map[int]bool{}
	for i := range s.columns {
		c := &s.columns[i]
		for from := 0; from < len(c.parts); {
			to := c.whole(from)
			section := c.parts[from].section
			named[section] = named[section] || c.tops[to]-c.tops[from] >= s.line(strongStyle)
			from = to
		}
	}
	n := int64(0)
	for section, has := range named {
		if section > 0 && !has {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return "  No room for the names of " + plural(n, "section") + "."
}

// whole returns the end of the parts, from the part from on, that are in the same section.
func (c *column) whole(from int) int {
	to := from + 1
	for to < len(c.parts) && c.parts[to].section == c.parts[from].section && c.parts[from].section != none {
		to++
	}
	return to
}

// left returns where a column begins.
func (s *diagramSheet) left(layout int) int { return diagramMargin + layout*(columnWidth+bandWidth) }

// strip returns the place of a column's strip of bytes, and lane the place of its changes.
func (s *diagramSheet) strip(layout int) image.Rectangle {
	x := s.left(layout) + labelWidth
	return image.Rect(x, s.top, x+stripWidth, s.top+s.columns[layout].height())
}

func (s *diagramSheet) lane(layout int) image.Rectangle {
	r := s.strip(layout)
	return image.Rect(r.Max.X+4, r.Min.Y, r.Max.X+4+laneWidth, r.Max.Y)
}

// right returns where a column ends: the disk has no lane.
func (s *diagramSheet) right(layout int) int {
	if layout == OnDisk {
		return s.strip(layout).Max.X
	}
	return s.lane(layout).Max.X
}

// draw draws all of the diagram. found may be nil to measure it.
func (s *diagramSheet) draw(p pen, found *Survey) {
	s.drawHead(p)
	s.drawBands(p, OnDisk, InMemory)
	s.drawBands(p, InMemory, Recovered)
	for i := range s.columns {
		s.drawColumn(p, i)
		s.drawFound(p, i, found)
	}
	s.drawLegend(p, found)
	s.drawFoot(p, found)
}

func (s *diagramSheet) drawHead(p pen) {
	at := image.Pt(diagramMargin, diagramMargin)
	p.write(titleStyle, full, at, s.text.cut(titleStyle, printable(s.diagram.Title, maxLetters), sheetWidth))
	at.Y += s.line(titleStyle) + 3
	p.write(bodyStyle, muted, at, s.text.cut(bodyStyle, printable(s.diagram.Subtitle, maxLetters), sheetWidth))
	at.Y += s.line(bodyStyle) + 18
	for i, text := range s.diagram.heads() {
		at.X = s.left(i)
		p.write(strongStyle, full, at, layoutNames[i])
		under := at.Add(image.Pt(0, s.line(strongStyle)))
		p.write(bodyStyle, muted, under, s.text.cut(bodyStyle, printable(text, maxLetters), columnWidth))
	}
}

// heads are the names of the columns.
func (d *Diagram) heads() [Layouts]string {
	return [Layouts]string{
		"by the section table: " + plural(d.Sizes[OnDisk], "byte"),
		"by RVA: " + plural(d.Sizes[InMemory], "byte"),
		d.File + ": " + plural(d.Sizes[Recovered], "byte"),
	}
}

// drawBands joins the sections of two columns, as far as both have their bytes.
func (s *diagramSheet) drawBands(p pen, a, b int) {
	for section := 0; section <= len(s.sections); section++ {
		from, ok1 := s.columns[a].fileRows(section)
		to, ok2 := s.columns[b].fileRows(section)
		if ok1 && ok2 {
			p.band(edge{s.right(a), s.top + from[0], s.top + from[1]}, edge{s.left(b), s.top + to[0], s.top + to[1]}, ribbonOf(section))
		}
	}
}

// fileRows returns the rows of the bytes of a section that are in every layout.
func (c *placedColumn) fileRows(section int) (rows [2]int, ok bool) {
	for i, p := range c.parts {
		if p.section == section && p.kind == fileBytes {
			return [2]int{c.tops[i], c.tops[i+1]}, true
		}
	}
	return rows, false
}

// ribbonOf and plainOf are the colours of a section: of its name, and of its bytes.
func ribbonOf(section int) uint8 { return firstRibbon + uint8(section%2) }
func plainOf(section int) uint8  { return plainA + uint8(section%2) }

// drawColumn draws the parts of a layout.
func (s *diagramSheet) drawColumn(p pen, layout int) {
	c := &s.columns[layout]
	for i := 0; i < len(c.parts); {
		n := c.whole(i)
		s.drawLabel(p, layout, i, n)
		i = n
	}
	strip := s.strip(layout)
	for i, part := range c.parts {
		if index := part.color(); index != white {
			p.fill(image.Rect(strip.Min.X, s.top+c.tops[i], strip.Max.X, s.top+c.tops[i+1]), index)
		}
	}
}

// color is the colour of a part's bytes.
func (p *part) color() uint8 {
	switch p.kind {
	case fileBytes:
		return plainOf(p.section)
	case zeroBytes:
		return zeroTint
	case alignedBytes:
		return paddedTint
	case unmappedBytes, tailBytes:
		return onlyTint
	}
	return white
}

// drawLabel names the parts [from, to), which are of one section or of none.
func (s *diagramSheet) drawLabel(p pen, layout, from, to int) {
	c := &s.columns[layout]
	first := &c.parts[from]
	box := image.Rect(s.left(layout), s.top+c.tops[from], s.left(layout)+labelWidth, s.top+c.tops[to])
	if first.section != none {
		p.fill(box, ribbonOf(first.section))
		p.fill(image.Rect(box.Min.X, box.Min.Y, box.Max.X, box.Min.Y+1), faint)
	}
	if box.Dy() < s.line(strongStyle) {
		return
	}
	numbers := fmt.Sprintf("%#x +%#x", first.Off, c.parts[to-1].end()-first.Off)
	at := image.Pt(box.Min.X+6, box.Min.Y+1)
	p.writeRight(noteStyle, full, image.Pt(box.Max.X-6, at.Y+1), numbers)
	st, dark := strongStyle, full
	if first.section == none {
		st, dark = bodyStyle, muted
	}
	p.write(st, dark, at, s.text.cut(st, s.diagram.label(first), labelWidth-18-s.text.width(noteStyle, numbers)))
}

// label names a part.
func (d *Diagram) label(p *part) string {
	switch {
	case p.section > 0:
		return printable(d.Sections[p.section-1].Name, 24)
	case p.section == 0:
		return "headers"
	case p.kind == alignedBytes:
		return "added"
	case p.kind == tailBytes:
		return printable(d.Tail, 24)
	}
	return "in no section"
}

// drawFound draws the results of the survey over a column.
func (s *diagramSheet) drawFound(p pen, layout int, found *Survey) {
	if layout == OnDisk {
		p.frame(s.strip(layout), faint-1)
		return
	}
	var gone, lane []uint8
	if found != nil {
		gone, lane = shades(found.Absent[layout], found.Altered[layout])
	}
	p.rows(s.strip(layout), gone)
	p.rows(s.lane(layout), lane)
	p.frame(s.strip(layout), faint-1)
	p.frame(s.lane(layout), faint)
}

// shades returns the colours of rows: for the missing bytes, and for the changes.
func shades(absent []bool, altered []Class) (gone, lane []uint8) {
	for _, is := range absent {
		color := uint8(bare)
		if is {
			color = hatched
		}
		gone = append(gone, color)
	}
	for _, class := range altered {
		color := uint8(bare)
		if class != Absent {
			color = changes.index(class, 0)
		}
		lane = append(lane, color)
	}
	return gone, lane
}
