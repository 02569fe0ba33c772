package figure

import (
	"cmp"
	"image/color"
	"slices"

	"memlens/render"
)

// Indexes of the colours that every figure has. Those of the data follow.
const (
	ink   = 0 // text and lines
	white = 7 // ink … white: a ramp for the edges of letters
	faint = 5 // on that ramp: rules and ticks

	hatchDark  = 8 // greys for bytes that were not recovered; no byte has these colours
	hatchLight = 9

	firstRibbon = 10 // two that alternate
	firstData   = 12
	dataColors  = 256 - firstData
)

// hatched is the value of a dot that was not recovered: it is drawn in
// hatchDark and hatchLight.
const hatched = hatchDark

// interfaceColors returns the colours up to firstData.
func interfaceColors() color.Palette {
	p := make(color.Palette, firstData, 256)
	dark := color.RGBA{0x16, 0x1c, 0x24, 0xff}
	for i := range white + 1 {
		p[i] = color.RGBA{mix(dark.R, 255, i), mix(dark.G, 255, i), mix(dark.B, 255, i), 255}
	}
	p[hatchDark] = color.RGBA{0x7c, 0x7c, 0x7c, 255}
	p[hatchLight] = color.RGBA{0xd6, 0xd6, 0xd6, 255}
	p[firstRibbon] = color.RGBA{0xeb, 0xef, 0xf4, 255}
	p[firstRibbon+1] = color.RGBA{0xcf, 0xd9, 0xe4, 255}
	return p
}

// mix returns the colour i steps of white from a to b.
func mix(a, b uint8, i int) uint8 {
	return uint8((int(a)*(white-i) + int(b)*i + white/2) / white)
}

// bytePalette returns a palette with the colours of bytes, and the index of each byte in it. Some colours are taken by
// the figure, so where the data use more than the rest, the rarest bytes share the colour of the next byte, which
// differs by 4 of 255 in one of three primaries.
func bytePalette(count *[256]int) (color.Palette, *[256]uint8) {
	colors, index := interfaceColors(), new([256]uint8)
	shared := sharedColors(count)
	for c, rgb := range render.Palette() {
		if !shared[c] {
			index[c] = uint8(len(colors))
			colors = append(colors, rgb)
		}
	}
	for c := range index {
		if shared[c] {
			index[c] = index[c+1]
		}
	}
	return colors, index
}

// sharedColors chooses firstData bytes to go without a colour of their own:
// even ones, so that the byte after each has one, the rarest first.
func sharedColors(count *[256]int) (shared [256]bool) {
	var even []int
	for c := 2; c < 254; c += 2 {
		even = append(even, c)
	}
	slices.SortStableFunc(even, func(a, b int) int { return cmp.Compare(count[a], count[b]) })
	for _, c := range even[:firstData] {
		shared[c] = true
	}
	return shared
}
