package render

import "image/color"

// The cell values that filecompare writes, as bytes to be coloured.
const (
	cellEqual   = 128 // pure green
	cellChanged = 254 // red
	cellBeyond  = 255 // white; also every cell past the end of the data
)

// Palette returns the 256 colours of colorize, by byte: 0 is black, 255 is
// white, and 1 … 254 run from blue over cyan, green and yellow to red. No two
// are equal. The slice is the caller's.
func Palette() color.Palette {
	p := make(color.Palette, 256)
	for c := range p {
		p[c] = paletteColor(c)
	}
	return p
}

func paletteColor(c int) color.RGBA {
	switch c {
	case 0:
		return color.RGBA{A: 255}
	case 255:
		return color.RGBA{255, 255, 255, 255}
	}
	return color.RGBA{R: ramp(c - 128), G: ramp(c), B: ramp(c + 128), A: 255}
}

// ramp is colorize's brightness of one primary colour: up over 64 steps, full
// for 129, down over 63.
func ramp(x int) uint8 {
	switch {
	case x < 0 || x > 255:
		return 0
	case x < 64:
		return uint8(4 * x)
	case x <= 192:
		return 255
	default:
		return uint8(256 - 4*(x-192))
	}
}
