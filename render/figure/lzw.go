package figure

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// The data of an animation are LZW codes, written by the longest match as ever, in eras: from one clear code to the
// next. A bound on the number of codes follows from the outline. Cut the picture into pieces. One of the codes that
// begin in a piece may reach the end of the piece or beyond. Each other code and the pixel after it are a string within
// the piece that the dictionary did not have, and now has: no two such strings in an era are the same. So where a piece
// can have few different strings, such as strings of one colour, there is little more than a code a piece.

const (
	lzwBits  = 8 // of a pixel
	lzwClear = 1 << lzwBits
	lzwEnd   = lzwClear + 1

	textColors = white + 1 + 2 // the colours of letters, and of ribbons below them
	maxLZWBits = 12            // of a code

	longEra  = 4094 - lzwEnd // codes until the dictionary is full
	shortEra = 511 - lzwEnd  // codes until they take a bit more
)

// lzwWriter writes the codes of pixels. It can write one picture after the other.
type lzwWriter struct {
	bitWriter
	era    int // codes of an era, at most
	last   int // code given last
	width  uint
	prefix int    // code of the pixels not yet written, or -1
	age    uint64 // of the era: strings of other eras do not count
	table  [1 << lzwTableBits]uint64
	short  shortTable
	white  whiteRuns
}

// whiteRuns has the codes of strings of white pixels, by their lengths: most of a figure beside its plot is white.
type whiteRuns struct {
	code    [1 << maxLZWBits]uint16
	longest int
	prefix  int // length of the prefix if it is such a string, else 0
}

// A slot of the table has the age of a string in its highest bits, then the code of the string without its last pixel
// in 12 bits, that pixel, and the string's own code in 12 bits.
const (
	lzwTableBits = 13
	lzwAgeShift  = 2*maxLZWBits + lzwBits
)

// start begins a picture, whose codes are appended to out.
func (w *lzwWriter) start(out []byte) {
	w.bitWriter = bitWriter{out: out}
	w.prefix, w.width = -1, lzwBits+1
	w.clear()
}

// clear begins an era.
func (w *lzwWriter) clear() {
	w.put(lzwClear, w.width)
	w.last, w.width = lzwEnd, lzwBits+1
	w.age++
	w.short.nextEra()
	w.white.code[1], w.white.longest = white, 1
}

// begin ends the string that is being matched, and the era, and begins another
// of so many codes.
func (w *lzwWriter) begin(era int) {
	if w.prefix >= 0 {
		w.emit()
		w.clear()
	}
	w.prefix, w.era = -1, era
}

// emit writes the code of the prefix, and reports whether the era goes on: its
// next code is then given.
func (w *lzwWriter) emit() bool {
	w.put(uint64(w.prefix), w.width)
	if w.last++; w.last == 1<<w.width {
		w.width++
	}
	return w.last-lzwEnd < w.era
}

// write writes pixels.
func (w *lzwWriter) write(pixels []uint8) {
	if len(pixels) > 0 && w.prefix < 0 {
		w.startString(pixels[0])
		pixels = pixels[1:]
	}
	for len(pixels) > 0 {
		if w.era <= shortEra {
			pixels = w.writeShort(pixels)
		} else {
			pixels = w.writeLong(pixels)
		}
	}
}

// startString begins a string with a pixel.
func (w *lzwWriter) startString(v uint8) {
	w.prefix, w.white.prefix = int(v), 0
	if v == white {
		w.white.prefix = 1
	}
}

// skipWhite makes a white prefix longer as long as there is a code and the pixels are white, and returns the rest.
func (w *lzwWriter) skipWhite(pixels []uint8) []uint8 {
	r := &w.white
	n := leadingWhite(pixels[:min(r.longest-r.prefix, len(pixels))])
	r.prefix += n
	w.prefix = int(r.code[r.prefix])
	return pixels[n:]
}

// leadingWhite returns how many pixels are white, from the first one on.
func leadingWhite(pixels []uint8) (n int) {
	const whites = 0x0101010101010101 * white
	for ; n+8 <= len(pixels); n += 8 {
		if x := binary.LittleEndian.Uint64(pixels[n:]) ^ whites; x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
	}
	for n < len(pixels) && pixels[n] == white {
		n++
	}
	return n
}

// writeLong writes pixels until a code is written, and returns the rest. It makes the prefix longer as long as there
// is a code.
func (w *lzwWriter) writeLong(pixels []uint8) []uint8 {
	whites := w.white.prefix
	if whites > 0 {
		pixels = w.skipWhite(pixels)
		whites = w.white.prefix
	}
	table, age, prefix := &w.table, w.age, uint64(w.prefix)
	for i, v := range pixels {
		key := age<<(lzwAgeShift-maxLZWBits) | prefix<<lzwBits | uint64(v)
		at := key * 0x9e3779b97f4a7c15 >> (64 - lzwTableBits)
		slot := table[at]
		for slot>>lzwAgeShift == age && slot>>maxLZWBits != key {
			at = (at + 1) % (1 << lzwTableBits)
			slot = table[at]
		}
		if slot>>maxLZWBits == key {
			prefix, whites = slot&(1<<maxLZWBits-1), 0 // if the prefix was white, this pixel is not
			continue
		}
		w.prefix = int(prefix)
		if !w.emit() {
			w.clear()
		} else {
			table[at] = key<<maxLZWBits | uint64(w.last)
			if whites > 0 && v == white {
				w.white.longest = whites + 1
				w.white.code[whites+1] = uint16(w.last)
			}
		}
		w.startString(v)
		return pixels[i+1:]
	}
	w.prefix, w.white.prefix = int(prefix), whites
	return nil
}

// close writes the end and returns all.
func (w *lzwWriter) close() []byte {
	if w.prefix >= 0 {
		w.emit()
	}
	w.put(lzwEnd, w.width)
	return w.flush()
}

// appendLZW appends the codes of a picture.
func (o *outline) appendLZW(out []byte, w *lzwWriter, c *canvas) []byte {
	w.start(out)
	for _, b := range o.bands() {
		w.begin(o.era(b))
		for y := b.from; y < b.to; y++ {
			w.write(c.Pix[y*c.Stride:][:o.bounds.X])
		}
	}
	return w.close()
}

// era returns how many codes an era of a band has. Where each pixel can have any
// colour there are no strings to be matched, so codes are kept short.
func (o *outline) era(b band) int {
	if b.plot && o.plot.zoomX == 1 {
		return shortEra
	}
	return longEra
}

// lzwMost returns how many bytes the codes of the picture are, at most.
func (o *outline) lzwMost() int {
	n := 0
	for _, b := range o.bands() {
		n += o.pieces(b).bits(o.era(b))
	}
	return ceil(n+2*maxLZWBits, 8)
}

// pieces are the pieces that a band is cut into.
type pieces struct {
	pixels  int // of all
	n       int // how many
	strings int // that can be within one, except for strings of one colour
	white   int // pixels of pieces of white
	solid   int // pixels of pieces of one other colour of texts
}

// pieces cuts a band: white between boxes, and rows of boxes. Texts beside no plot
// are cut into as many pixels as is best.
func (o *outline) pieces(b band) pieces {
	if b.plot {
		return o.cut(o.cutTexts(b, 1), o.era(b))
	}
	best := o.cutTexts(b, 1)
	least := best.bits(longEra)
	for _, letters := range []int{2, 3} {
		p := o.cutTexts(b, letters)
		if n := p.bits(longEra); n < least {
			best, least = p, n
		}
	}
	return best
}

// cutTexts cuts a band, its texts into pieces of so many pixels.
func (o *outline) cutTexts(b band, text int) pieces {
	p := pieces{n: 1, pixels: (b.to - b.from) * o.bounds.X}
	p.white = p.pixels
	for strings, i := textColors, 2; i <= text; i++ {
		strings *= textColors
		p.strings += strings
	}
	b.within(o.texts, func(w, h int) { p.n += h * (ceil(w, text) + 2) })
	b.within(o.mixed, func(w, h int) { p.n += h * (w + 1) })
	b.within(o.bars, func(w, h int) { p.n += h * (w + 1) })
	b.within(o.solids, func(w, h int) {
		p.n += h * 2
		p.solid += w * h
	})
	return p
}

// cut adds the pieces of the plot: dots, or parts of dots if that is better.
func (o *outline) cut(p pieces, era int) pieces {
	l := o.plot
	p.white -= l.columns * l.zoomX * plotHeight
	p.n += plotHeight + o.down + 2*o.across
	best, least := p, 0
	for part := 1; part <= l.zoomX; part *= 2 {
		q := p
		q.n += plotHeight * l.columns * (l.zoomX / part)
		q.strings += (256 + hatchPeriod) * (part - 1)
		if n := q.bits(era); part == 1 || n < least {
			best, least = q, n
		}
	}
	return best
}

// bits returns how many bits the codes of the pieces are, at most, in eras of so
// many codes.
func (p pieces) bits(era int) int {
	eras, codes := 1, 0
	for {
		codes = min(p.codes(eras), p.pixels)
		// All eras but the last are full. More eras would need more codes yet.
		need := ceil(codes, era) + 1
		if need <= eras {
			break
		}
		eras = need
	}
	// Codes grow longer within an era, so the codes of the last era are no longer than the mean.
	return ceil(codes*eraBits(era), era) + (eras+1)*maxLZWBits
}

// codes returns how many codes the pieces are in so many eras, at most. The
// strings of one colour in an era differ in length, and together they are no
// longer than the pieces of that colour.
func (p pieces) codes(eras int) int {
	most := func(pixels, colors int) int {
		return int(math.Sqrt(2*float64(pixels)*float64(eras)*float64(colors))) + 1
	}
	return p.n + p.strings*eras + most(p.white, 1) + most(p.solid, firstData)
}

// eraBits returns the bits of the codes of an era: a code is as wide as the newest string's number.
func eraBits(codes int) int {
	n := 0
	for last, end, width := lzwEnd, lzwEnd+codes, lzwBits+1; last < end; width++ {
		next := min(1<<width, end)
		n += max(next-last, 0) * width
		last = max(next, last)
	}
	return n
}
