package xpress

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrDamaged says that data cannot be unpacked to the wanted size.
var ErrDamaged = errors.New("xpress: damaged compressed data")

// LZ77 unpacks plain LZ77 data (MS-XCA 2.4) to exactly len(dst) bytes, and returns how many bytes of src were used.
// The caller must judge the bytes behind them in src: an encoder may leave a word of unused flags there. The error
// wraps [ErrDamaged]; the content of dst must not be used then.
func LZ77(dst, src []byte) (used int, err error) {
	d := lz77{src: src, half: -1}
	out := 0
	for flags, left := uint32(0), 0; out < len(dst); left-- {
		if left == 0 {
			if flags, left = d.u32(), 32; d.failed {
				break
			}
		}
		match := flags>>31 != 0
		flags <<= 1
		if !match {
			if d.pos >= len(src) {
				d.failed = true
				break
			}
			dst[out] = src[d.pos]
			d.pos++
			out++
			continue
		}
		distance, length := d.match()
		if d.failed = d.failed || distance > out || length > len(dst)-out; d.failed {
			break
		}
		repeat(dst[out-distance:out+length], distance)
		out += length
	}
	if d.failed {
		return 0, fmt.Errorf("%w: plain LZ77, after %#x of %#x bytes", ErrDamaged, out, len(dst))
	}
	return d.pos, nil
}

// repeat fills b with repetitions of its first n bytes.
func repeat(b []byte, n int) {
	for n < len(b) {
		n += copy(b[n:], b[:n])
	}
}

// lz77 reads matches and flags.
type lz77 struct {
	src    []byte
	pos    int
	half   int // place of a byte whose upper half is an unused length, or -1
	failed bool
}

// take returns the place of the next n bytes; it fails at the end of the data.
func (d *lz77) take(n int) []byte {
	if n > len(d.src)-d.pos {
		d.failed = true
		return make([]byte, 4)[:n]
	}
	d.pos += n
	return d.src[d.pos-n : d.pos]
}

func (d *lz77) u8() byte    { return d.take(1)[0] }
func (d *lz77) u16() uint16 { return binary.LittleEndian.Uint16(d.take(2)) }
func (d *lz77) u32() uint32 { return binary.LittleEndian.Uint32(d.take(4)) }

// match reads a match: 13 bits of distance, 3 of length, and more of the length if these are all ones.
func (d *lz77) match() (distance, length int) {
	token := int(d.u16())
	distance, length = token>>3+1, token&7
	if length == 7 {
		length = d.longLength()
	}
	return distance, length + 3
}

// longLength reads a length of 7 or more: a half byte (two matches share a byte), then a byte, then more.
func (d *lz77) longLength() int {
	var n int
	if d.half < 0 {
		d.half = d.pos
		n = int(d.u8() & 15)
	} else {
		n = int(d.src[d.half] >> 4)
		d.half = -1
	}
	if n < 15 {
		return n + 7
	}
	if n = int(d.u8()); n < 255 {
		return n + 15 + 7
	}
	if n = int(d.u16()); n == 0 {
		n = int(d.u32())
	}
	if n < 15+7 {
		d.failed = true
	}
	return n
}
