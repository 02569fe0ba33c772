package figure

import "math"

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

// lzwWriter writes the codes of pixels.
type lzwWriter struct {
	bitWriter
	era    int // codes of an era, at most
	last   int // code given last
	width  uint
	prefix int // code of the pixels not yet written, or -1
	age    uint64
	first  [1 << maxLZWBits]uint64   // of each string, the first longer one: age, pixel and code
	table  [1 << lzwTableBits]uint64 // of others: age, prefix, pixel and code
}

const lzwTableBits = 13

func newLZWWriter() *lzwWriter {
	w := &lzwWriter{prefix: -1}
	w.width = lzwBits + 1
	w.clear()
	return w
}

// clear begins an era.
func (w *lzwWriter) clear() {
	w.put(lzwClear, w.width)
	w.last, w.width = lzwEnd, lzwBits+1
	w.age++
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
	prefix := w.prefix
	for _, v := range pixels {
		if prefix < 0 {
			prefix = int(v)
			continue
		}
		slot, key := w.slot(prefix, v)
		if *slot>>12 == key {
			prefix = int(*slot & (1<<maxLZWBits - 1))
			continue
		}
		w.prefix = prefix
		if w.emit() {
			*slot = key<<12 | uint64(w.last)
		} else {
			w.clear()
		}
		prefix = int(v)
	}
	w.prefix = prefix
}

// slot returns where the code of a string and the pixel after it is, under key, or
// where it can be put.
func (w *lzwWriter) slot(prefix int, v uint8) (slot *uint64, key uint64) {
	key = w.age<<8 | uint64(v)
	if first := &w.first[prefix]; *first>>12 == key || *first>>20 != w.age {
		return first, key
	}
	key = w.age<<20 | uint64(prefix)<<8 | uint64(v)
	i := key * 0x9e3779b97f4a7c15 >> (64 - lzwTableBits)
	for w.table[i]>>32 == w.age && w.table[i]>>12 != key {
		i = (i + 1) % (1 << lzwTableBits)
	}
	return &w.table[i], key
}

// close writes the end and returns all.
func (w *lzwWriter) close() []byte {
	if w.prefix >= 0 {
		w.emit()
	}
	w.put(lzwEnd, w.width)
	return w.flush()
}

// lzw returns the codes of a picture.
func (o *outline) lzw(pix []uint8, stride int) []byte {
	w := newLZWWriter()
	w.out = make([]byte, 0, o.lzwMost())
	for _, b := range o.bands() {
		w.begin(o.era(b))
		for y := b.from; y < b.to; y++ {
			w.write(pix[y*stride:][:o.bounds.X])
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
