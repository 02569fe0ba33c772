package render

import "fmt"

// Geometry says how bytes are laid out as pixels: colorize's options.
type Geometry struct {
	// Width is colorize's -w, in pixels: the length of a row or, where
	// Horizontal, of a column.
	Width int
	// Horizontal is colorize's -o: the data run down from the top left corner,
	// then right. Otherwise they run right, then down.
	Horizontal bool
	// Reversed is colorize's -d. Where not Horizontal the data run upwards from
	// the bottom left corner; where Horizontal they run right, then down, in a
	// picture of the same size.
	Reversed bool
}

// DefaultGeometry returns the layout of "colorize -o -w 512".
func DefaultGeometry() Geometry { return Geometry{Width: 512, Horizontal: true} }

// Bounds returns the width and height in pixels of the picture of size bytes.
// No data give one white row (one column where Horizontal): the real tool
// writes a header without a picture then, which no viewer opens.
func (g Geometry) Bounds(size int64) (w, h int64) {
	w = int64(max(g.Width, 1))
	h = max(ceilDiv(size, w), 1)
	if g.Horizontal {
		return h, w
	}
	return w, h
}

func (g Geometry) check(size int64) error {
	switch {
	case g.Width < 1:
		return fmt.Errorf("render: width %d: a picture needs at least 1 pixel", g.Width)
	case size < 0:
		return fmt.Errorf("render: negative size %d of the data", size)
	}
	return nil
}

// transposed reports whether a row of the picture is scattered over the data, one cell every Width bytes, and is not a
// single piece of the data.
func (g Geometry) transposed() bool { return g.Horizontal && !g.Reversed }

// ceilDiv does not overflow for any a ≥ 0.
func ceilDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 {
		q++
	}
	return q
}
