package figure

import (
	"image"
	"image/color"
)

// pen draws a diagram: on a canvas, or as an SVG. Colours are indexes of a
// palette.
type pen interface {
	fill(r image.Rectangle, index uint8)
	frame(r image.Rectangle, index uint8)
	hatch(r image.Rectangle)
	// band joins two pieces of columns.
	band(left, right edge, index uint8)
	// rows paints rows over a strip, each in its colour: hatched is hatching, and
	// bare leaves a row as it is. They need not be known to measure the figure.
	rows(strip image.Rectangle, colors []uint8)
	// write writes a text with its top left corner at p, and writeRight one that
	// ends there.
	write(s style, dark shade, p image.Point, text string) (right int)
	writeRight(s style, dark shade, p image.Point, text string)
	// writeLate is write for a text of a width at most that is not known when the
	// figure is measured.
	writeLate(s style, p image.Point, width int, text string)
}

// edge is a side of a band: rows at x.
type edge struct{ x, top, bottom int }

// bare is no colour.
const bare = 255

// diagramColors are the colours of a diagram that come after the colours of changes.
var diagramColors = color.Palette{
	0:                   color.RGBA{0xa9, 0xbf, 0xd6, 0xff},
	plainB - plainA:     color.RGBA{0x86, 0xa3, 0xc3, 0xff},
	paddedTint - plainA: color.RGBA{0xff, 0xdf, 0x9e, 0xff},
	zeroTint - plainA:   color.RGBA{0xd3, 0xe8, 0xd0, 0xff},
	onlyTint - plainA:   color.RGBA{0xd9, 0xcb, 0xe6, 0xff},
}

const (
	plainA = firstData + tints*uint8(CodeDiffers+1) + iota // bytes of sections, in turn
	plainB
	paddedTint // bytes that alignment added
	zeroTint   // zeros that only memory has
	onlyTint   // bytes that are only on disk
)

// diagramPalette is the palette of a diagram: the classes of changes have the colours that they have in a figure of
// changes.
func diagramPalette() color.Palette { return append(changes.palette(), diagramColors...) }

// rows implements [pen].
func (c *canvas) rows(strip image.Rectangle, colors []uint8) {
	if c.outline != nil {
		c.add(&c.outline.strips, strip)
		hatching := strip
		hatching.Max.X = min(strip.Min.X+hatchPeriod, strip.Max.X) // the rest of a row is like it
		c.add(&c.outline.mixed, hatching)
		return
	}
	for i, index := range colors {
		row := image.Rect(strip.Min.X, strip.Min.Y+i, strip.Max.X, strip.Min.Y+i+1)
		switch index {
		case bare:
		case hatched:
			c.hatch(row)
		default:
			c.fill(row, index)
		}
	}
}

// writeLate implements [pen].
func (c *canvas) writeLate(s style, p image.Point, width int, text string) {
	if c.outline != nil {
		text = longestLine
	}
	c.write(s, full, p, c.text.cut(s, printable(text, maxLetters), width))
}

// band implements [pen].
func (c *canvas) band(left, right edge, index uint8) {
	if c.outline != nil { // of each row it is one piece
		c.add(&c.outline.strips, image.Rect(left.x, min(left.top, right.top), right.x, max(left.bottom, right.bottom)))
		return
	}
	width := right.x - left.x
	for i := range width {
		at := func(from, to int) int { return from + ((to-from)*(2*i+1)+width)/(2*width) }
		c.fill(image.Rect(left.x+i, at(left.top, right.top), left.x+i+1, at(left.bottom, right.bottom)), index)
	}
}
