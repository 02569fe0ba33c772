package format

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var errPacked = errors.New("format: damaged compressed data")

// xpressLZ77 unpacks plain LZ77 data (MS-XCA 2.3 and 2.4) of exactly size bytes. What follows the last of them in
// src is padding.
func xpressLZ77(src []byte, size int) ([]byte, error) {
	d := lz77{src: src, out: make([]byte, 0, size), half: -1}
	for len(d.out) < size {
		if d.bits == 0 {
			d.flags, d.bits = d.u32(), 32
		}
		d.bits--
		if d.flags>>d.bits&1 == 0 {
			d.out = append(d.out, d.u8())
		} else {
			d.match(size)
		}
		if d.failed {
			return nil, fmt.Errorf("%w: xpress, after %#x of %#x bytes", errPacked, len(d.out), size)
		}
	}
	return d.out, nil
}

// lz77 is the state of xpressLZ77.
type lz77 struct {
	src    []byte
	pos    int
	out    []byte
	flags  uint32
	bits   int
	half   int // place of a byte whose upper half is a length still to be used, or -1
	failed bool
}

func (d *lz77) take(n int) []byte {
	if n > len(d.src)-d.pos {
		d.failed = true
		return make([]byte, n)
	}
	d.pos += n
	return d.src[d.pos-n : d.pos]
}

func (d *lz77) u8() byte    { return d.take(1)[0] }
func (d *lz77) u16() uint16 { return binary.LittleEndian.Uint16(d.take(2)) }
func (d *lz77) u32() uint32 { return binary.LittleEndian.Uint32(d.take(4)) }

// match copies what came before: 13 bits of distance, 3 of length, and more of the length where these are all ones.
func (d *lz77) match(size int) {
	token := int(d.u16())
	distance, length := token>>3+1, token&7
	if length == 7 {
		length = d.longLength()
	}
	length += 3
	if d.failed || distance > len(d.out) || length > size-len(d.out) {
		d.failed = true
		return
	}
	for range length {
		d.out = append(d.out, d.out[len(d.out)-distance])
	}
}

// longLength reads a length of 7 or more: a half byte, of which two matches share one, then a byte, then more.
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
