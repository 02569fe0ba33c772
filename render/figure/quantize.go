package figure

import (
	"cmp"
	"image/color"
	"slices"

	"memlens/render"
)

// bin is a small cube of colours, 5 bits a side, and what of it is used.
type bin struct {
	key     uint16 // 5 bits each of red, green, blue
	n       int64
	r, g, b int64 // sums of the colours in it
}

func binOf(rgb uint32) uint16 {
	return uint16(rgb>>19&31<<10 | rgb>>11&31<<5 | rgb>>3&31)
}

// legendColors is how many colours a quantized palette keeps for the legend:
// those of every fourth byte.
const legendColors = 64

// quantize returns a palette with the colours that serve the planes best, by
// median cut, and those of the legend; and the index of each bin's colour.
func quantize(planes ...[]uint32) (color.Palette, []uint8) {
	boxes := [][]bin{usedBins(planes)}
	for len(boxes) < dataColors-legendColors {
		i := worstBox(boxes)
		if len(boxes[i]) < 2 {
			break
		}
		a, b := split(boxes[i])
		boxes[i] = a
		boxes = append(boxes, b)
	}
	colors, index := interfaceColors(), make([]uint8, 1<<15)
	for _, box := range boxes {
		if len(box) == 0 {
			continue // a plane without dots
		}
		for _, b := range box {
			index[b.key] = uint8(len(colors))
		}
		colors = append(colors, mean(box))
	}
	for c, rgb := range render.Palette() {
		if c%(256/legendColors) == 0 {
			colors = append(colors, rgb)
		}
	}
	return colors, index
}

func usedBins(planes [][]uint32) []bin {
	all := make([]bin, 1<<15)
	for _, plane := range planes {
		for _, rgb := range plane {
			b := &all[binOf(rgb)]
			b.n++
			b.r += int64(rgb >> 16 & 255)
			b.g += int64(rgb >> 8 & 255)
			b.b += int64(rgb & 255)
		}
	}
	for i := range all {
		all[i].key = uint16(i)
	}
	return slices.DeleteFunc(all, func(b bin) bool { return b.n == 0 })
}

func mean(box []bin) color.RGBA {
	var sum bin
	for _, b := range box {
		sum.n, sum.r, sum.g, sum.b = sum.n+b.n, sum.r+b.r, sum.g+b.g, sum.b+b.b
	}
	return color.RGBA{uint8(sum.r / sum.n), uint8(sum.g / sum.n), uint8(sum.b / sum.n), 255}
}

// worstBox returns the box whose division gains most: many dots, far apart.
func worstBox(boxes [][]bin) (worst int) {
	var most int64 = -1
	for i, box := range boxes {
		_, width := widestSide(box)
		var n int64
		for _, b := range box {
			n += b.n
		}
		if loss := n * int64(width) * int64(width); loss > most {
			worst, most = i, loss
		}
	}
	return worst
}

// widestSide returns the primary, as a shift of the key, along which a box is
// longest, and how long.
func widestSide(box []bin) (shift, width int) {
	for _, s := range []int{10, 5, 0} {
		lo, hi := 31, 0
		for _, b := range box {
			v := int(b.key >> s & 31)
			lo, hi = min(lo, v), max(hi, v)
		}
		if hi-lo > width {
			shift, width = s, hi-lo
		}
	}
	return shift, width
}

// split divides a box of two bins or more where half of its dots are on
// either side.
func split(box []bin) (a, b []bin) {
	shift, _ := widestSide(box)
	slices.SortStableFunc(box, func(a, b bin) int { return cmp.Compare(a.key>>shift&31, b.key>>shift&31) })
	var n, half int64
	for _, b := range box {
		half += b.n
	}
	half /= 2
	for i, b := range box[:len(box)-1] {
		if n += b.n; n >= half {
			return box[:i+1], box[i+1:]
		}
	}
	return box[:len(box)-1], box[len(box)-1:]
}
