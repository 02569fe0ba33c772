package xpress

import (
	"encoding/binary"
	"fmt"
)

const (
	// huffmanBlock is how many unpacked bytes a code table is for; the last match of a block may go beyond.
	huffmanBlock = 1 << 16
	// huffmanEnd is the symbol behind the last byte. Before it, the same symbol is a match.
	huffmanEnd = 256
)

// Reasons why LZ77 and Huffman data are damaged.
const (
	huffmanTruncated = "the data end early"
	huffmanBadTable  = "the lengths in a code table make no code"
	huffmanBadMatch  = "a match begins before the data or ends behind them"
	huffmanBadLength = "a match has a length that is never written so"
	huffmanBadEnd    = "the data do not end where they should"
)

// Huffman unpacks LZ77 and Huffman data (MS-XCA 2.1 and 2.2) of exactly size bytes.
func Huffman(src []byte, size int) ([]byte, error) {
	d := lzHuffman{src: src}
	if len(src) < huffmanTable {
		d.damage = huffmanTruncated
	} else {
		d.out = make([]byte, size)
		d.blocks()
	}
	if d.damage != "" {
		return nil, fmt.Errorf("%w: xpress huffman, after %#x of %#x bytes: %s", ErrDamaged, d.done, size, d.damage)
	}
	return d.out, nil
}

// lzHuffman is the state of Huffman.
//
// The data are words of 16 bits, the most significant bit first. Between the words are bytes with the lengths of long
// matches. The places of these bytes depend on when words are read: a register holds 32 bits at the beginning of a
// block, and whenever it holds less than 16, the next word is read at once. This happens after a symbol, before the
// length of its match, and after a distance.
type lzHuffman struct {
	src    []byte
	pos    int // place in src of the next read
	out    []byte
	done   int    // bytes of out
	bits   uint32 // the register: the next bits are at the top
	have   int    // bits in the register
	beyond int    // how many of the last bits do not exist, because src ended
	code   huffmanCode
	damage string // why the data are damaged
}

// blocks unpacks all of the data.
func (d *lzHuffman) blocks() {
	for {
		end := d.done + huffmanBlock
		if d.begin(); d.damage != "" {
			return
		}
		for d.done < min(end, len(d.out)) {
			if d.symbol(); d.damage != "" {
				return
			}
		}
		if d.done == len(d.out) {
			d.finish(d.done >= end)
			return
		}
	}
}

// begin reads the code table at the beginning of a block and fills the register.
func (d *lzHuffman) begin() {
	if d.pos > len(d.src)-huffmanTable {
		d.damage = huffmanTruncated
		return
	}
	if !d.code.read(d.src[d.pos:]) {
		d.damage = huffmanBadTable
		return
	}
	d.pos += huffmanTable
	d.bits, d.have, d.beyond = 0, 0, 0
	d.refill()
	d.refill()
}

// refill puts the next word below the bits in the register. Behind the end of the data it reads zeros. Encoders write
// some words more than are needed, so missing words are no error as long as none of these zeros is used.
func (d *lzHuffman) refill() {
	if d.pos+2 <= len(d.src) {
		d.bits |= uint32(binary.LittleEndian.Uint16(d.src[d.pos:])) << (16 - d.have)
	} else {
		d.beyond += 16
	}
	d.pos += 2
	d.have += 16
}

// skip takes n bits, at most 15, from the register.
func (d *lzHuffman) skip(n int) {
	d.bits <<= n
	d.have -= n
	if d.have < d.beyond {
		d.damage = huffmanTruncated
	}
	if d.have < 16 {
		d.refill()
	}
}

// symbol unpacks the next byte or match.
func (d *lzHuffman) symbol() {
	s, n := d.code.find(d.bits >> (32 - huffmanLongest))
	d.skip(n)
	switch {
	case d.damage != "":
	case s < 256:
		d.out[d.done] = byte(s)
		d.done++
	default:
		length := d.length(s & 15)
		n := s >> 4 & 15
		distance := 1<<n | int(uint64(d.bits)<<n>>32)
		d.skip(n)
		d.copy(distance, length)
	}
}

// length returns the length of a match; n is the part of it in the symbol. A length that does not fit into the symbol
// is in a byte behind the words that were read; if it does not fit there, in 16 bits, and then in 32 bits.
func (d *lzHuffman) length(n int) int64 {
	const least = 3
	if n < 15 {
		return int64(n) + least
	}
	if b := d.number(1); b < 255 {
		return b + 15 + least
	}
	long := d.number(2)
	if long == 0 {
		long = d.number(4)
	}
	if long < 15 && d.damage == "" {
		d.damage = huffmanBadLength
	}
	return long + least
}

// number reads a number of so many bytes; it is 0 when the data end before.
func (d *lzHuffman) number(bytes int) int64 {
	if bytes > len(d.src)-d.pos {
		d.damage = huffmanTruncated
		return 0
	}
	var le [4]byte
	copy(le[:], d.src[d.pos:d.pos+bytes])
	d.pos += bytes
	return int64(binary.LittleEndian.Uint32(le[:]))
}

// copy repeats earlier bytes. A match that is longer than its distance also repeats its own beginning.
func (d *lzHuffman) copy(distance int, length int64) {
	if d.damage != "" {
		return
	}
	if distance > d.done || length > int64(len(d.out)-d.done) {
		d.damage = huffmanBadMatch
		return
	}
	from, end := d.done-distance, d.done+int(length)
	for d.done < end {
		d.done += copy(d.out[d.done:end], d.out[from:d.done])
	}
}

// finish checks that the data end where the last byte has been unpacked: changed data, as a rule, do not. The end
// symbol must follow; any bytes behind it are padding. The end symbol may be missing only if a code table would
// follow, or if it has no code; then only zeros may follow.
func (d *lzHuffman) finish(border bool) {
	s, n := d.code.find(d.bits >> (32 - huffmanLongest))
	switch {
	case s == huffmanEnd && n <= d.have-d.beyond:
		return
	case !border && d.code.length[huffmanEnd] > 0:
		d.damage = huffmanBadEnd
	}
	if d.bits != 0 {
		d.damage = huffmanBadEnd
	}
	for _, b := range d.src[min(d.pos, len(d.src)):] {
		if b != 0 {
			d.damage = huffmanBadEnd
			return
		}
	}
}
