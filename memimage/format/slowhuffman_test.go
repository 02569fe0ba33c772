package format

import "encoding/binary"

// slowHuffman unpacks LZ77 and Huffman data bit by bit: codes are looked up in a map by their bits, and a word is
// read when one of its bits is needed.
func slowHuffman(src []byte, size int) ([]byte, bool) {
	d := &slowBits{src: src}
	out := []byte{}
	for {
		codes, end, ok := d.table()
		if !ok {
			return nil, false
		}
		border := len(out) + 65536
		for len(out) < border && len(out) < size {
			if out, ok = d.item(codes, out, size); !ok {
				return nil, false
			}
		}
		if len(out) == size {
			return out, d.ends(codes, end != 0, len(out) >= border)
		}
	}
}

// bitString is a code: its bits behind a 1.
type bitString uint32

// slowBits are words of 16 bits, and bytes between them.
type slowBits struct {
	src   []byte
	pos   int
	queue []byte // bits; 2: one behind the end of the data
}

// table reads a table; end is the length of the code of the end.
func (d *slowBits) table() (codes map[bitString]int, end int, ok bool) {
	if len(d.src)-d.pos < 256 {
		return nil, 0, false
	}
	codes = map[bitString]int{}
	lengths := func(s int) int { return int(d.src[d.pos+s/2]>>(s%2*4)) & 15 }
	code, sum := bitString(1), 0
	for n := 1; n < 16; n++ {
		code <<= 1
		for s := range 512 {
			if lengths(s) == n {
				codes[code] = s
				code++
				sum += 1 << (15 - n)
			}
		}
	}
	end = lengths(256)
	d.pos += 256
	d.queue = nil
	d.word()
	d.word()
	return codes, end, sum == 1<<15
}

func (d *slowBits) word() {
	for i := 15; i >= 0; i-- {
		if d.pos+2 > len(d.src) {
			d.queue = append(d.queue, 2)
		} else {
			d.queue = append(d.queue, byte(binary.LittleEndian.Uint16(d.src[d.pos:])>>i)&1)
		}
	}
	d.pos += 2
}

func (d *slowBits) bit() (bitString, bool) {
	if len(d.queue) == 16 {
		d.word()
	}
	b := d.queue[0]
	d.queue = d.queue[1:]
	return bitString(b), b < 2
}

func (d *slowBits) bytes(n int) (v int, ok bool) {
	if d.pos+n > len(d.src) {
		return 0, false
	}
	for i := n - 1; i >= 0; i-- {
		v = v<<8 | int(d.src[d.pos+i])
	}
	d.pos += n
	return v, true
}

func (d *slowBits) symbol(codes map[bitString]int) (int, bool) {
	code := bitString(1)
	for range 15 {
		b, ok := d.bit()
		if !ok {
			return 0, false
		}
		code = code<<1 | b
		if s, ok := codes[code]; ok {
			return s, true
		}
	}
	return 0, false
}

func (d *slowBits) item(codes map[bitString]int, out []byte, size int) ([]byte, bool) {
	s, ok := d.symbol(codes)
	if !ok {
		return nil, false
	}
	if s < 256 {
		return append(out, byte(s)), true
	}
	length := s & 15
	if length == 15 {
		if length, ok = d.bytes(1); ok && length == 255 {
			if length, ok = d.bytes(2); ok && length == 0 {
				length, ok = d.bytes(4)
			}
			if length < 15 {
				return nil, false
			}
			length -= 15
		}
		length += 15
	}
	length += 3
	distance := bitString(1)
	for range s >> 4 & 15 {
		b, more := d.bit()
		ok = ok && more
		distance = distance<<1 | b
	}
	if !ok || int(distance) > len(out) || length > size-len(out) {
		return nil, false
	}
	for range length {
		out = append(out, out[len(out)-int(distance)])
	}
	return out, true
}

// ends reports whether the rest of the data is the end symbol. Zeros will do, too, where the end symbol may be
// missing: at a border, or if it has no code.
func (d *slowBits) ends(codes map[bitString]int, hasEnd, border bool) bool {
	rest := *d
	if s, ok := rest.symbol(codes); ok && s == 256 {
		return true
	} else if hasEnd && !border {
		return false
	}
	for _, b := range d.queue {
		if b == 1 {
			return false
		}
	}
	for ; d.pos < len(d.src); d.pos++ {
		if d.src[d.pos] != 0 {
			return false
		}
	}
	return true
}
