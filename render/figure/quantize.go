package figure

import (
	"cmp"
	"image/color"
	"slices"

	"memlens/render"
)

// bin is a small cube of colours, 5 bits a side, and the colours in it that are used.
type bin struct {
	key     uint16 // 5 bits each of red, green, blue
	n       int64
	r, g, b int64 // sums of the colours in it
}

// A quantized palette keeps some colours for the legend: the colours of every fourth byte, and of the last.
const (
	legendStep   = 4
	legendColors = 256/legendStep + 1
)

// box is a set of bins that shares a colour.
type box struct {
	bins  []bin
	shift int   // the primary, as a shift of the key, along which it is longest
	loss  int64 // the cost of one colour for all: dots, times the length squared
}

func newBox(bins []bin) box {
	var n int64
	for _, b := range bins {
		n += b.n
	}
	shift, width := widestSide(bins)
	return box{bins, shift, n * int64(width) * int64(width)}
}

// histogram counts the colours of dots in bins. Only bins that are used take memory.
type histogram struct {
	place   [1 << 15]uint16 // of a bin among the used ones, plus one, by its key; 0: it is not used
	tallies []tally
	bins    []bin
}

// tally has the dots of a bin that are not in the bin yet, at most 1<<24, and the sums of their primaries: two numbers
// of 32 bits in each word.
type tally struct{ nr, gb uint64 }

// add counts a dot of a colour, three primaries of 8 bits each, and returns the key of its bin.
func (h *histogram) add(red, green, blue uint64) (key uint16) {
	key = uint16(red>>3<<10 | green>>3<<5 | blue>>3)
	place := h.place[key%(1<<15)]
	if place == 0 {
		place = h.use(key)
	}
	t := &h.tallies[place-1]
	t.nr += 1<<32 | red
	t.gb += green<<32 | blue
	return key
}

// use makes room for a bin.
func (h *histogram) use(key uint16) (place uint16) {
	h.bins, h.tallies = append(h.bins, bin{key: key}), append(h.tallies, tally{})
	h.place[key] = uint16(len(h.bins))
	return h.place[key]
}

// settle puts the dots since the last call into their bins, and so many black dots, too.
func (h *histogram) settle(black int64) {
	for i, t := range h.tallies {
		b := &h.bins[i]
		b.n += int64(t.nr >> 32)
		b.r += int64(uint32(t.nr))
		b.g += int64(t.gb >> 32)
		b.b += int64(uint32(t.gb))
	}
	clear(h.tallies)
	if black > 0 {
		if h.place[0] == 0 {
			h.use(0)
		}
		h.bins[h.place[0]-1].n += black
	}
}

// used returns the bins that are used, in the order of their keys.
func (h *histogram) used() []bin {
	out := make([]bin, 0, len(h.bins))
	for _, place := range h.place {
		if place > 0 {
			out = append(out, h.bins[place-1])
		}
	}
	return out
}

// quantize returns a palette with the colours that serve the dots best, by median cut, and the colours of the legend;
// and the index of each bin's colour.
func quantize(dots *histogram) (color.Palette, []uint8) {
	boxes := []box{newBox(dots.used())}
	for len(boxes) < dataColors-legendColors {
		i := worstBox(boxes)
		if len(boxes[i].bins) < 2 {
			break
		}
		a, b := boxes[i].split()
		boxes[i] = newBox(a)
		boxes = append(boxes, newBox(b))
	}
	colors, index := interfaceColors(), make([]uint8, 1<<15)
	for _, box := range boxes {
		if len(box.bins) == 0 {
			continue // there are no dots
		}
		for _, b := range box.bins {
			index[b.key] = uint8(len(colors))
		}
		colors = append(colors, mean(box.bins))
	}
	for c, rgb := range render.Palette() {
		if c%legendStep == 0 || c == 255 {
			colors = append(colors, rgb)
		}
	}
	return colors, index
}

func mean(box []bin) color.RGBA {
	var sum bin
	for _, b := range box {
		sum.n, sum.r, sum.g, sum.b = sum.n+b.n, sum.r+b.r, sum.g+b.g, sum.b+b.b
	}
	return color.RGBA{uint8(sum.r / sum.n), uint8(sum.g / sum.n), uint8(sum.b / sum.n), 255}
}

// worstBox returns the box whose division gains most.
func worstBox(boxes []box) (worst int) {
	for i, b := range boxes {
		if b.loss > boxes[worst].loss {
			worst = i
		}
	}
	return worst
}

// widestSide returns the primary along which bins are farthest apart, and how
// far.
func widestSide(bins []bin) (shift, width int) {
	for _, s := range []int{10, 5, 0} {
		lo, hi := 31, 0
		for _, b := range bins {
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
func (x *box) split() (a, b []bin) {
	bins, shift := x.bins, x.shift
	slices.SortStableFunc(bins, func(a, b bin) int { return cmp.Compare(a.key>>shift&31, b.key>>shift&31) })
	var n, half int64
	for _, b := range bins {
		half += b.n
	}
	half /= 2
	for i, b := range bins[:len(bins)-1] {
		if n += b.n; n >= half {
			return bins[:i+1], bins[i+1:]
		}
	}
	return bins[:len(bins)-1], bins[len(bins)-1:]
}
