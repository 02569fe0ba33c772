package figure

import (
	"encoding/binary"
	"hash/adler32"
	"math/bits"
	"slices"
	"sync"
)

// The data of a still figure are a zlib stream (RFC 1950, 1951) whose length is bounded by the outline. Each band is a
// block. Its codes are chosen by the pixels that may be drawn there, not by the pixels that are drawn. Repeated pixels
// are searched for in three places, where the geometry promises them: the pixel to the left, the row above, and eight
// pixels to the left, the period of hatching.

const (
	endOfBlock  = 256
	literals    = 286 // and lengths of matches
	distances   = 30
	longest     = 258 // bytes of a match
	longestCode = 285
	hatchPeriod = 8
	maxCode     = 15 // bits

	nearestBits = 1 // of the distance of the pixel to the left

	blockHead = 3 + 5 + 5 + 4 + 19*3 + (literals+distances)*4 // bits
	zlibExtra = 2 + 4                                         // bytes: header and checksum
)

// prefixCode is a Huffman code: of each symbol, its length and its bits.
type prefixCode struct {
	length []uint8
	bits   []uint16
}

// newPrefixCode returns the canonical code of these lengths; 0 is no code. If the lengths leave room, it shortens some
// of the codes, the first ones first: decoders want a complete code.
func newPrefixCode(length []uint8) *prefixCode {
	fillCode(length)
	c := &prefixCode{length, make([]uint16, len(length))}
	next := uint16(0)
	for n := uint8(1); n <= maxCode; n++ {
		next <<= 1
		for s, l := range length {
			if l == n {
				c.bits[s] = bits.Reverse16(next) >> (16 - n)
				next++
			}
		}
	}
	return c
}

func fillCode(length []uint8) {
	room := 1 << maxCode
	for _, l := range length {
		if l > 0 {
			room -= 1 << (maxCode - l)
		}
	}
	for room > 0 {
		for i, l := range length {
			if l > 1 && 1<<(maxCode-l) <= room {
				room -= 1 << (maxCode - l)
				length[i]--
			}
		}
	}
}

func (c *prefixCode) put(w *bitWriter, symbol int) {
	w.put(uint64(c.bits[symbol]), uint(c.length[symbol]))
}

// literalCode is the code of literals and lengths. Its fields are the most bits that some things take.
type literalCode struct {
	*prefixCode
	sub       bool // each pixel is the difference from the one before it
	text, any int  // bits of a text's pixel, and of any
	long      int  // of the longest match, without its distance
	match     int  // of any, likewise
	dot       int  // of the first row of a dot
}

func newLiteralCode(length []uint8) *literalCode {
	c := &literalCode{prefixCode: newPrefixCode(length)}
	c.text, c.any = c.most(isText), c.most(isAny)
	c.match, c.long = c.most(isMatch)+5, int(c.length[longestCode])
	return c
}

// blockCode is the code of the bytes of a block. Its fields are the most bits that some things take.
type blockCode struct {
	*literalCode
	distance    *prefixCode
	row         int // bytes of a row: the distance of the pixel above
	match, long int // bits of a match, and of the longest one
}

func newBlockCode(c *literalCode, row int) *blockCode {
	far := make([]uint8, distances)
	symbol, _, extra := distanceSymbol(row)
	near, _, _ := distanceSymbol(hatchPeriod)
	far[0], far[near], far[symbol] = nearestBits, 2, 2
	return &blockCode{c, newPrefixCode(far), row, c.match + 2 + int(extra), c.long + 2 + int(extra)}
}

// most returns the length of the longest code of the symbols in a set.
func (c *prefixCode) most(set func(symbol int) bool) (n int) {
	for s, l := range c.length {
		if set(s) {
			n = max(n, int(l))
		}
	}
	return n
}

func isText(s int) bool  { return s < firstData }
func isAny(s int) bool   { return s < endOfBlock }
func isMatch(s int) bool { return s > endOfBlock }

// isDot reports whether a symbol is the colour of a dot of these values that is
// not hatched.
func (v values) isDot(s int) bool {
	class := s - firstData
	switch {
	case s == hatchLight:
		return true
	case v == byteValues:
		return class >= 0 && s < endOfBlock
	}
	of, one := differences, v == classValues
	if v == changeValues || v == changeTintValues {
		of, one = changes, v == changeValues
	}
	if class%tints != 0 && one || class%tints == 0 && slices.Contains(of.hatched, Class(class/tints)) {
		return false
	}
	return class >= 0 && class < tints*len(of.looks)
}

// lengths are the lengths of a block's codes, in bits.
type lengths struct{ dot, hatch, text, other, long, match, end uint8 }

// of returns the length of each symbol.
func (l lengths) of(isDot func(int) bool) []uint8 {
	out := make([]uint8, literals)
	for s := range out {
		switch {
		case s == endOfBlock:
			out[s] = l.end
		case s == longestCode:
			out[s] = l.long
		case s > endOfBlock:
			out[s] = l.match
		case isDot(s):
			out[s] = l.dot
		case s == hatchDark:
			out[s] = l.hatch
		case s < firstData:
			out[s] = l.text
		default:
			out[s] = l.other
		}
	}
	return out
}

// textCode is for rows beside no plot.
var textCode = sync.OnceValue(func() *literalCode {
	return newLiteralCode(lengths{dot: 4, hatch: 4, text: 4, other: 11, long: 5, match: 9, end: 12}.of(isText))
})

// plotKind has the facts that the code of a plot's rows depends on.
type plotKind struct {
	values values
	zoom   int
}

// plotCodes are for the rows of plots.
var plotCodes = sync.OnceValue(func() map[plotKind]*literalCode {
	out := map[plotKind]*literalCode{}
	for v := byteValues; v <= changeTintValues; v++ {
		for zoom := 1; zoom <= maxZoom; zoom *= 2 {
			out[plotKind{v, zoom}] = newPlotCode(v, zoom)
		}
	}
	return out
})

func newPlotCode(v values, zoom int) *literalCode {
	if v == byteValues && zoom > 1 {
		isZero := func(s int) bool { return s == 0 }
		c := newLiteralCode(lengths{dot: 1, hatch: 9, text: 9, other: 9, long: 11, match: 15, end: 15}.of(isZero))
		c.sub, c.dot = true, c.any+(zoom-1)*int(c.length[0])
		return c
	}
	length := map[values]lengths{
		byteValues:  {dot: 8, hatch: 8, text: 10, other: 10, long: 9, match: 12, end: 12},
		classValues: {dot: 3, hatch: 4, text: 9, other: 15, long: 8, match: 11, end: 13},
		tintValues:  {dot: 5, hatch: 5, text: 8, other: 14, long: 7, match: 11, end: 13},

		changeValues:     {dot: 4, hatch: 5, text: 9, other: 14, long: 7, match: 11, end: 13},
		changeTintValues: {dot: 6, hatch: 6, text: 8, other: 14, long: 7, match: 11, end: 13},
	}[v].of(v.isDot)
	if zoom > 4 {
		s, _, _ := lengthSymbol(zoom - 1)
		length[s] = min(length[s], 7) // the rest of a dot
	}
	c := newLiteralCode(length)
	c.any = c.most(func(s int) bool { return isText(s) || v.isDot(s) })
	c.dot = c.dotBits(v.isDot, zoom)
	return c
}

// dotBits returns the bits of the first row of a dot, at most.
func (c *literalCode) dotBits(isDot func(int) bool, zoom int) int {
	one := c.most(isDot)
	if zoom <= 4 {
		return one * zoom
	}
	s, _, extra := lengthSymbol(zoom - 1)
	return min(one*zoom, one+int(c.length[s])+int(extra)+nearestBits)
}

// putHead writes the codes. The lengths are written in four bits each.
func (c *blockCode) putHead(w *bitWriter, final bool) {
	var last uint64
	if final {
		last = 1
	}
	w.put(last|2<<1, 3)
	w.put(literals-257, 5)
	w.put(distances-1, 5)
	w.put(19-4, 4)
	for i := range 19 {
		n := uint64(4)
		if i < 3 {
			n = 0 // runs of lengths, which are not in use
		}
		w.put(n, 3)
	}
	for _, code := range []*prefixCode{c.prefixCode, c.distance} {
		for _, l := range code.length {
			w.put(uint64(bits.Reverse8(l)>>4), 4)
		}
	}
}

// put writes the bytes data[from:to].
func (c *blockCode) put(w *bitWriter, data []byte, from, to int) {
	for i := from; i < to; {
		if !c.repeats(data[:to], i) {
			c.prefixCode.put(w, int(data[i]))
			i++
			continue
		}
		if n, distance := c.find(data, i, min(to-i, longest)); n >= 3 && c.putMatch(w, data[i:i+n], distance) {
			i += n
			continue
		}
		c.prefixCode.put(w, int(data[i]))
		i++
	}
	c.prefixCode.put(w, endOfBlock)
}

// repeats reports whether there may be a match at i. Where pixels are noise, there is none nearly everywhere: it looks
// at the three bytes of the shortest match in all places of find at once, written out: a loop takes a fifth more time.
func (c *blockCode) repeats(data []byte, i int) bool {
	if i < c.row || i+4 > len(data) {
		return true
	}
	const three = 1<<24 - 1
	at := func(i int) uint32 { return binary.LittleEndian.Uint32(data[i:]) }
	x := at(i)
	return (x^at(i-c.row))&three == 0 || (x^at(i-1))&three == 0 || i >= hatchPeriod && (x^at(i-hatchPeriod))&three == 0
}

// find returns the longest match at i, of at most limit bytes.
func (c *blockCode) find(data []byte, i, limit int) (n, distance int) {
	for _, d := range [...]int{c.row, 1, hatchPeriod} {
		if d > i || n == limit || data[i+n] != data[i+n-d] {
			continue
		}
		if m := common(data[i:i+limit], data[i-d:]); m > n {
			n, distance = m, d
		}
	}
	return n, distance
}

// common returns how many bytes a and b, which is longer, begin with in common.
func common(a, b []byte) int {
	n := 0
	for ; n+8 <= len(a); n += 8 {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
	}
	for n < len(a) && a[n] == b[n] {
		n++
	}
	return n
}

// putMatch writes bytes as a match if it is shorter than their literals.
func (c *blockCode) putMatch(w *bitWriter, p []byte, distance int) bool {
	s, more, extra := lengthSymbol(len(p))
	d, farther, extraFar := distanceSymbol(distance)
	cost := int(c.length[s]) + int(extra) + int(c.distance.length[d]) + int(extraFar)
	for i := 0; cost >= 0; i++ {
		if i == len(p) {
			return false
		}
		cost -= int(c.length[p[i]])
	}
	c.prefixCode.put(w, s)
	w.put(uint64(more), extra)
	c.distance.put(w, d)
	w.put(uint64(farther), extraFar)
	return true
}

// lengthSymbol returns the symbol of a match's length, and its extra bits.
func lengthSymbol(n int) (symbol, more int, extra uint) {
	switch n -= 3; {
	case n == longest-3:
		return longestCode, 0, 0
	case n < 8:
		return endOfBlock + 1 + n, 0, 0
	}
	extra = uint(bits.Len(uint(n))) - 3
	return 261 + 4*int(extra) + n>>extra&3, n & (1<<extra - 1), extra
}

// distanceSymbol returns the symbol of a distance, and its extra bits.
func distanceSymbol(n int) (symbol, more int, extra uint) {
	if n--; n < 4 {
		return n, 0, 0
	}
	extra = uint(bits.Len(uint(n))) - 2
	return 2 + 2*int(extra) + n>>extra&1, n & (1<<extra - 1), extra
}

// blockCodes returns the codes of the bands.
func (o *outline) blockCodes() [3]*blockCode {
	row := o.bounds.X + 1
	text := newBlockCode(textCode(), row)
	return [3]*blockCode{text, newBlockCode(plotCodes()[plotKind{o.values, o.plot.zoomX}], row), text}
}

// deflatedMost returns how long the rows are as a zlib stream, at most.
func (o *outline) deflatedMost() int {
	n := 0
	codes := o.blockCodes()
	for i, b := range o.bands() {
		n += blockHead + codes[i].bandBits(o, b)
		if b.plot {
			n += codes[i].plotBits(o)
		}
	}
	return zlibExtra + ceil(n, 8)
}

// bandBits returns the most bits that a band takes without its plot. A row is like the row above, or pieces of it have
// one colour: both are matches. A box ends a match, and after the box another match begins.
func (c *blockCode) bandBits(o *outline, b band) int {
	n := c.stretch((b.to-b.from)*c.row) + 2*c.resume() + c.any
	edge := func(w int) int { return c.stretch(w) + 2*c.resume() } // a row that is not like the one above
	b.within(o.texts, func(w, h int) { n += h*((w+1)*c.text+c.resume()) + edge(w) })
	b.within(o.mixed, func(w, h int) { n += h*((w+1)*c.any+c.resume()) + edge(w) })
	b.within(o.bars, func(w, h int) { n += w*c.any + h*c.resume() + edge(w) })
	b.within(o.solids, func(w, _ int) { n += 2 * edge(w) })
	b.within(o.strips, func(w, h int) { n += (h + 1) * edge(w) })
	return n
}

// stretch returns the most bits that so many matched bytes take, and resume the most bits for starting to match again.
func (c *blockCode) stretch(n int) int { return n/longest*c.long + c.match }
func (c *blockCode) resume() int       { return c.match + 2*c.any }

// plotBits returns the most bits that the plot takes: the bits of the first row of each row of dots, because the other
// rows are like it, and the bits of the dotted lines, where three pixels of eight are not like the pixel above.
// Hatching is not like the row above either: there is some room for it.
func (c *blockCode) plotBits(o *outline) int {
	l := o.plot
	n := l.rows * (l.columns*c.dot + 3*c.resume())
	n += (o.down*3/8 + 3*o.lines) * (c.resume() + c.any)
	n += (o.down/l.zoomY + o.lines) * 2 * c.any
	n += o.across*2*c.any + o.lines*4*c.resume()
	return n + plotHeight*l.columns*l.zoomX/16
}

// appendDeflated appends the rows of a picture as a zlib stream.
func appendDeflated(out []byte, o *outline, lines []byte) []byte {
	out = slices.Grow(out, o.deflatedMost())
	w := &bitWriter{out: append(out, 0x78, 0x01)}
	codes := o.blockCodes()
	for i, b := range o.bands() {
		rows := lines[:b.to*codes[i].row]
		if codes[i].sub {
			subtract(rows[b.from*codes[i].row:], codes[i].row)
		}
	}
	for i, b := range o.bands() {
		c := codes[i]
		c.putHead(w, i == len(codes)-1)
		c.put(w, lines, b.from*c.row, b.to*c.row)
	}
	return binary.BigEndian.AppendUint32(w.flush(), adler32.Checksum(lines))
}

// subtract turns rows into differences from pixel to pixel: PNG's filter 1.
func subtract(rows []byte, row int) {
	for ; len(rows) > 0; rows = rows[row:] {
		rows[0] = 1
		for x := row - 1; x > 1; x-- {
			rows[x] -= rows[x-1]
		}
	}
}
