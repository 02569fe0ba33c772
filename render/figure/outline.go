package figure

import (
	"image"
	"strings"
	"unicode"
)

// outline says of a figure where its pixels can vary, and how. It follows from
// the layout alone: it is drawn by the same functions as the figure, on a canvas
// that has one instead of pixels. What is in none of its boxes is white.
type outline struct {
	bounds image.Point
	texts  []image.Rectangle // of the colours of texts, up to firstData
	mixed  []image.Rectangle // of any colours
	bars   []image.Rectangle // of any colours, each row like the one above
	solids []image.Rectangle // of one colour each
	strips []image.Rectangle // a piece of each of their rows is of one colour
	plot   *layout
	values values
	lines  int // dotted ones over the plot
	down   int // pixels under the lines that go down
	across int // pixels under the lines across a column
}

// values says of which colours the dots of a plot are.
type values int

const (
	byteValues   values = iota // the colours of bytes
	classValues                // the colours of classes
	tintValues                 // the colours of classes, and their tints
	changeValues               // likewise, of a figure of changes
	changeTintValues
)

// band is a part of a figure: some of its rows.
type band struct {
	from, to int
	plot     bool // these are the rows of the plot
}

// bands returns the rows above, beside and below the plot.
func (o *outline) bands() [3]band {
	top, bottom := o.plot.plot.Min.Y, o.plot.plot.Max.Y
	return [3]band{{0, top, false}, {top, bottom, true}, {bottom, o.bounds.Y, false}}
}

// within calls f with the parts of rectangles that lie in a band.
func (b band) within(rects []image.Rectangle, f func(w, h int)) {
	for _, r := range rects {
		if from, to := max(r.Min.Y, b.from), min(r.Max.Y, b.to); from < to {
			f(r.Dx(), to-from)
		}
	}
}

// outlined returns a canvas that keeps no pixels, but their outline.
func outlined(size image.Point, text *typesetter, l *layout, v values) *canvas {
	return &canvas{Paletted: &image.Paletted{Rect: image.Rectangle{Max: size}}, text: text, outline: &outline{bounds: size, plot: l, values: v,
		texts: make([]image.Rectangle, 0, 32), solids: make([]image.Rectangle, 0, 80)}}
}

// add appends the part of a rectangle that is on the canvas.
func (c *canvas) add(to *[]image.Rectangle, r image.Rectangle) {
	if r = r.Intersect(c.Rect); !r.Empty() {
		*to = append(*to, r)
	}
}

// addText appends the box of a text that ends at right. Its letters may reach
// beyond it by a little, and capitals with accents above it.
func (c *canvas) addText(s style, p image.Point, right int, text string) {
	line, _ := c.text.height(s)
	box := image.Rect(p.X-line/8, p.Y, right+line/8, p.Y+line)
	if strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII }) {
		box = box.Inset(-line / 4)
	}
	c.add(&c.outline.texts, box)
}

// addDotted counts a dotted line.
func (o *outline) addDotted(from, to image.Point) {
	o.lines++
	if from.Y == to.Y {
		o.across += to.X - from.X + 1
	} else {
		o.down += to.Y - from.Y + 1
	}
}
