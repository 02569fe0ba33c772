package compress

import "encoding/binary"

// Limits of plain LZ77: the length code holds a length less 3, the token a distance less 1 in 13 bits.
const (
	xpressShortest = 3
	xpressWindow   = 1 << 13
)

// Xpress writes a page as plain LZ77 data ([MS-XCA] 2.3).
func Xpress(page []byte, w Way) []byte {
	return xpress(w.divide(page, xpressShortest, xpressWindow, 0), w)
}

// XpressBeyond returns damaged data for a page: its first match begins before the page.
func XpressBeyond(page []byte) []byte {
	return xpress(beyond(Greedy.divide(page, xpressShortest, xpressWindow, 0), xpressWindow), Greedy)
}

// beyond makes the first match begin too far back; if there is no match, it puts one behind the first literal.
func beyond(items []item, window int) []item {
	for i := range items {
		if items[i].length > 0 {
			items[i].distance = window
			return items
		}
	}
	return append([]item{items[0], {length: 4, distance: window}}, items[5:]...)
}

func xpress(items []item, w Way) []byte {
	e := encoder{way: w, half: -1}
	for _, it := range items {
		e.flag(it.length > 0)
		if it.length == 0 {
			e.out = append(e.out, it.literal)
			continue
		}
		e.match(it.length, it.distance)
	}
	return e.finish()
}

// encoder is the state of xpress. Flags are collected in a word whose place in the output is kept when it begins.
type encoder struct {
	way   Way
	out   []byte
	flags uint32
	count int // flags in the word
	place int // of the word
	half  int // place of a byte whose upper half is free, or -1
}

// flag adds the bit that says whether the next item is a match. The word's place is taken just before the first item
// of the word.
func (e *encoder) flag(match bool) {
	if e.count == 0 {
		e.place = len(e.out)
		e.out = append(e.out, 0, 0, 0, 0)
	}
	e.flags <<= 1
	if match {
		e.flags |= 1
	}
	if e.count++; e.count == 32 {
		e.flush()
	}
}

func (e *encoder) flush() {
	binary.LittleEndian.PutUint32(e.out[e.place:], e.flags)
	e.flags, e.count = 0, 0
}

// match writes a token, and the part of the length that does not fit into it.
func (e *encoder) match(length, distance int) {
	rest := length - xpressShortest
	e.out = binary.LittleEndian.AppendUint16(e.out, uint16((distance-1)<<3|min(rest, 7)))
	if rest < 7 {
		return
	}
	e.nibble(min(rest-7, 15))
	if rest < 7+15 {
		return
	}
	e.long(rest)
}

// nibble writes half a byte: into a byte of its own, or into the free half of the byte before it.
func (e *encoder) nibble(n int) {
	if e.half < 0 {
		e.half = len(e.out)
		e.out = append(e.out, byte(n))
		return
	}
	e.out[e.half] |= byte(n << 4)
	e.half = -1
}

// long writes a large length; rest is the length less 3, at least 22.
func (e *encoder) long(rest int) {
	switch {
	case e.way == Wide32 || rest > 0xffff:
		e.out = append(e.out, 0xff, 0, 0)
		e.out = binary.LittleEndian.AppendUint32(e.out, uint32(rest))
	case e.way == Wide16 || rest-7-15 >= 0xff:
		e.out = append(e.out, 0xff)
		e.out = binary.LittleEndian.AppendUint16(e.out, uint16(rest))
	default:
		e.out = append(e.out, byte(rest-7-15))
	}
}

// finish fills the last word up with ones. If the last word is full, another one follows it, as in [MS-XCA] 2.3.4.
func (e *encoder) finish() []byte {
	if e.count == 0 {
		return append(e.out, 0xff, 0xff, 0xff, 0xff)
	}
	free := 32 - e.count
	e.flags = e.flags<<free | (1<<free - 1)
	e.flush()
	return e.out
}
