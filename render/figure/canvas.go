package figure

import (
	"bytes"
	"image"
	"image/color"
	"slices"

	"golang.org/x/image/math/fixed"
)

// canvas is a figure while it is drawn: pixels as indexes of a palette.
type canvas struct {
	*image.Paletted
	text    *typesetter
	outline *outline // if it is only to be measured: there are no pixels then
	lines   []uint8  // the rows of pixels, each after a zero, as a PNG has them
}

// newCanvas returns a white canvas. It uses the memory of room if that is large enough.
func newCanvas(size image.Point, colors color.Palette, text *typesetter, room []uint8) *canvas {
	stride := 1 + size.X
	lines := slices.Grow(room[:0], stride*size.Y)[:stride*size.Y]
	p := &image.Paletted{Pix: lines[1:], Stride: stride, Rect: image.Rectangle{Max: size}, Palette: colors}
	c := &canvas{p, text, nil, lines}
	for y := range size.Y {
		lines[y*stride] = 0
	}
	c.fill(c.Rect, white)
	return c
}

// fill paints a rectangle, as far as it is on the canvas.
func (c *canvas) fill(r image.Rectangle, index uint8) {
	if c.outline != nil {
		c.add(&c.outline.solids, r)
		return
	}
	if r = r.Intersect(c.Rect); r.Empty() {
		return
	}
	first := c.Pix[c.PixOffset(r.Min.X, r.Min.Y):][:r.Dx()]
	for i := range first {
		first[i] = index
	}
	for y := r.Min.Y + 1; y < r.Max.Y; y++ {
		copy(c.Pix[c.PixOffset(r.Min.X, y):], first)
	}
}

// frame draws a line of one pixel around a rectangle, outside it.
func (c *canvas) frame(r image.Rectangle, index uint8) {
	r = r.Inset(-1)
	c.fill(image.Rect(r.Min.X, r.Min.Y, r.Max.X, r.Min.Y+1), index)
	c.fill(image.Rect(r.Min.X, r.Max.Y-1, r.Max.X, r.Max.Y), index)
	c.fill(image.Rect(r.Min.X, r.Min.Y, r.Min.X+1, r.Max.Y), index)
	c.fill(image.Rect(r.Max.X-1, r.Min.Y, r.Max.X, r.Max.Y), index)
}

// hatch paints a rectangle as not recovered.
func (c *canvas) hatch(r image.Rectangle) {
	if c.outline != nil {
		c.add(&c.outline.mixed, r)
		return
	}
	r = r.Intersect(c.Rect)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			c.Pix[c.PixOffset(x, y)] = hatchAt(x, y)
		}
	}
}

// hatchAt returns the colour of a hatched pixel: rising lines, two pixels in
// eight.
func hatchAt(x, y int) uint8 {
	if (x+y)&7 < 2 {
		return hatchDark
	}
	return hatchLight
}

// dotted draws a line down or to the right that shows on any colour and hides half of the pixels below it: two pixels
// of ink, two white, four unchanged.
func (c *canvas) dotted(from, to image.Point) {
	if c.outline != nil {
		c.outline.addDotted(from, to)
		return
	}
	step := image.Pt(0, 1)
	if to.Y == from.Y {
		step = image.Pt(1, 0)
	}
	for p := from; p.X <= to.X && p.Y <= to.Y; p = p.Add(step) {
		phase := (p.X + p.Y) & 7
		if phase < 4 && p.In(c.Rect) {
			c.Pix[c.PixOffset(p.X, p.Y)] = uint8(phase / 2 * white) // ink is 0
		}
	}
}

// shade says how dark text is: on the ramp from white to ink.
type shade int

const (
	full    shade = white
	muted   shade = white - 2
	inverse shade = -white // white on ink
)

// write draws a text with its top left corner at p and returns where it ends.
func (c *canvas) write(s style, dark shade, p image.Point, text string) (right int) {
	if c.outline != nil {
		right = p.X + c.text.width(s, text)
		c.addText(s, p, right, text)
		return right
	}
	_, ascent := c.text.height(s)
	pen := fixed.I(p.X)
	for _, r := range text {
		if g := c.text.glyph(s, r); g.mask != nil {
			c.stamp(g.mask, image.Pt(pen.Round(), p.Y+ascent).Add(g.at), dark)
		}
		pen += c.text.advance(s, r)
	}
	return pen.Ceil()
}

// writeRight draws a text that ends at p.
func (c *canvas) writeRight(s style, dark shade, p image.Point, text string) {
	c.write(s, dark, p.Sub(image.Pt(c.text.width(s, text), 0)), text)
}

// stamp colours the pixels that a letter covers. What is on the ramp already
// only grows darker, so letters may touch.
func (c *canvas) stamp(mask *image.Alpha, at image.Point, dark shade) {
	r := mask.Rect.Add(at).Intersect(c.Rect)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			to := &c.Pix[c.PixOffset(x, y)]
			cover := (int(mask.AlphaAt(x-at.X, y-at.Y).A)*int(dark) + 127) / 255
			switch level := uint8(white - cover); {
			case dark < 0:
				*to = max(*to, uint8(-cover))
			case *to <= white:
				*to = min(*to, level)
			case level < faint: // on a ribbon, lighter would be a halo
				*to = level
			}
		}
	}
}

// drawDots draws dots, in the order of the data, as columns. Where plain, bytes that were not recovered are grey, not
// hatched.
func (c *canvas) drawDots(l *layout, dots []uint8, plain bool) {
	if c.outline != nil {
		return
	}
	for y := range l.rows {
		row := c.Pix[c.PixOffset(l.plot.Min.X, l.plot.Min.Y+y*l.zoomY):]
		for x := 0; x*l.rows+y < len(dots); x++ {
			dot := dots[x*l.rows+y]
			for i := x * l.zoomX; i < (x+1)*l.zoomX; i++ {
				row[i] = dot
			}
		}
		c.repeat(l, y, len(dots), plain)
	}
}

// repeat copies the first line of pixels of a row of dots to the others.
func (c *canvas) repeat(l *layout, y, dots int, plain bool) {
	top := l.plot.Min.Y + y*l.zoomY
	width := max((dots-y+l.rows-1)/l.rows, 0) * l.zoomX
	line := c.Pix[c.PixOffset(l.plot.Min.X, top):][:width]
	for i := 1; i < l.zoomY; i++ {
		copy(c.Pix[c.PixOffset(l.plot.Min.X, top+i):], line)
	}
	if bytes.IndexByte(line, hatched) < 0 {
		return
	}
	for i := range l.zoomY {
		row := c.Pix[c.PixOffset(l.plot.Min.X, top+i):][:width]
		for x, v := range row {
			if v == hatched {
				row[x] = hatchLight
				if !plain {
					row[x] = hatchAt(l.plot.Min.X+x, top+i)
				}
			}
		}
	}
}
