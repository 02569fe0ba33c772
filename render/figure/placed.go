package figure

import "slices"

// Heights of the parts of a diagram, in pixels.
const (
	diagramHeight = 640 // of the tallest column, without the extra height of parts that are drawn higher than they are
	namedPart     = 18  // of a section, at least, so that its name can be read
	leastNamed    = 4   // likewise, where there are too many sections
	leastPart     = 2   // of a part that is in no section
	roomForNames  = 420 // that sections take at least, all together
)

// placed is a diagram with a height for each of its parts.
type placed struct {
	sections []Section
	columns  [Layouts]placedColumn
	pixel    int64 // bytes of a row of pixels
	same     []sameBytes
}

// sameBytes are the headers or a section in memory and in the recovered file: as
// many bytes of each.
type sameBytes struct{ memory, recovered Span }

// placedColumn is a layout, and where each part of it begins, in rows of pixels.
type placedColumn struct {
	column
	tops []int // one more than there are parts: the last is the height
}

func (c *placedColumn) height() int { return c.tops[len(c.parts)] }

// place chooses the scale of a diagram: the same for its columns, so that the
// tallest one has room.
func (d *Diagram) place() (*placed, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	sections, _ := d.shown()
	p := &placed{sections: sections}
	columns := d.columns()
	named := min(max(roomForNames/(len(sections)+1), leastNamed), namedPart)
	low, high := int64(1), int64(MaxSize)
	for low < high {
		pixel := (low + high) / 2
		if slices.ContainsFunc(columns[:], func(c column) bool { return c.heightAt(pixel, named) > diagramHeight }) {
			low = pixel + 1
		} else {
			high = pixel
		}
	}
	p.pixel = low
	for i, c := range columns {
		p.columns[i] = placedColumn{c, c.topsAt(low, named)}
	}
	p.findSame()
	return p, nil
}

func (c *column) heightAt(pixel int64, named int) int {
	n := 0
	for i := range c.parts {
		n += c.partHeight(i, pixel, named)
	}
	return n
}

func (c *column) topsAt(pixel int64, named int) []int {
	out := make([]int, len(c.parts)+1)
	for i := range c.parts {
		out[i+1] = out[i] + c.partHeight(i, pixel, named)
	}
	return out
}

// partHeight returns the height of a part. A section is at least as high as its name where it begins.
func (c *column) partHeight(i int, pixel int64, named int) int {
	p := &c.parts[i]
	least := leastPart
	if p.section != none && (i == 0 || c.parts[i-1].section != p.section) {
		least = named
	}
	return max(int((p.Len+pixel-1)/pixel), least)
}

// row returns the row of the byte at an offset that is within the layout.
func (c *placedColumn) row(off int64) int {
	i, _ := slices.BinarySearchFunc(c.parts, off, func(p part, off int64) int {
		switch {
		case p.end() <= off:
			return -1
		case p.Off > off:
			return 1
		}
		return 0
	})
	if i == len(c.parts) {
		return c.height()
	}
	p := &c.parts[i]
	return c.tops[i] + int((off-p.Off)*int64(c.tops[i+1]-c.tops[i])/p.Len)
}

// rows returns the rows of a piece that is within the layout: one at least.
func (c *placedColumn) rows(s Span) (from, to int) {
	from, to = c.row(s.Off), c.row(s.end())
	return min(from, c.height()-1), max(to, min(from, c.height()-1)+1)
}

// findSame finds which parts of the recovered file are which parts of memory.
func (p *placed) findSame() {
	memory := &p.columns[InMemory]
	if len(memory.parts) > 0 && memory.parts[0].section == 0 {
		p.same = append(p.same, sameBytes{memory.parts[0].Span, memory.parts[0].Span})
	}
	for i := range p.sections {
		s := &p.sections[i]
		p.same = append(p.same, sameBytes{Span{s.Memory.Off, s.Recovered.Len}, s.Recovered})
	}
}

// recoveredFrom calls f with the parts of the recovered file that are from a piece of memory.
func (p *placed) recoveredFrom(at Span, f func(Span)) {
	for _, s := range p.same {
		moved(at, s.memory, s.recovered, f)
	}
}

// memoryOf calls f with the parts of memory that are in a piece of the recovered file.
func (p *placed) memoryOf(at Span, f func(Span)) {
	for _, s := range p.same {
		moved(at, s.recovered, s.memory, f)
	}
}

// moved calls f with the part of a piece that lies in from, moved to where to is.
func moved(at, from, to Span, f func(Span)) {
	start, end := max(at.Off, from.Off), min(at.end(), from.end())
	if start < end {
		f(Span{start - from.Off + to.Off, end - start})
	}
}
