package figure

import "encoding/binary"

// gifFile is the format of animations: a GIF89a of some frames, each shown for
// delay hundredths of a second, for ever. It ends with
// padding, in an extension of a kind that readers pass over.
type gifFile struct{ delay int }

const (
	gifHead    = 6 + 7          // signature, screen descriptor
	gifFrame   = 8 + 10 + 1 + 1 // control, descriptor, code size; end of data
	gifBlock   = 255            // bytes of a block of data
	gifLeast   = 2 + 1          // the least padding: a block, and the end
	gifTrailer = 1

	gifLoopBlock = "\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"
	gifPadding   = "\x21\xff\x0bMEMLENS PAD"
)

func (gifFile) most(frames []*outline) int64 {
	n := gifHead + colorTable + len(gifLoopBlock) + len(gifPadding) + gifLeast + gifTrailer
	for _, o := range frames {
		data := o.lzwMost()
		n += gifFrame + data + ceil(data, gifBlock)
	}
	return int64(n)
}

func (f gifFile) encode(d drawing, frames []*outline) []byte {
	bounds := frames[0].bounds
	le := binary.LittleEndian
	out := append(make([]byte, 0, f.most(frames)), "GIF89a"...)
	out = le.AppendUint16(out, uint16(bounds.X))
	out = le.AppendUint16(out, uint16(bounds.Y))
	out = append(out, 0xf7, 0, 0) // 256 colours of 8 bits
	out = appendColors(out, d.colors)
	out = append(out, gifLoopBlock...)
	w := new(lzwWriter)
	for i := range d.frames {
		out = append(out, 0x21, 0xf9, 4, 0)
		out = le.AppendUint16(out, uint16(f.delay))
		out = append(out, 0, 0)
		out = append(out, 0x2c, 0, 0, 0, 0)
		out = le.AppendUint16(out, uint16(bounds.X))
		out = le.AppendUint16(out, uint16(bounds.Y))
		out = append(out, 0, lzwBits)
		data := len(out)
		out = frames[i].appendLZW(out, w, d.frame(i))
		out = divide(out, data)
	}
	return out
}

func (gifFile) end(file []byte, size int64) []byte {
	file = append(file, gifPadding...)
	for n := int(size) - len(file) - 1 - gifTrailer; n > 0; {
		block := min(n, 1+gifBlock)
		if n-block == 1 {
			block-- // a byte is no block
		}
		file = append(file, byte(block-1))
		file = append(file, make([]byte, block-1)...)
		n -= block
	}
	return append(file, 0, 0x3b)
}

// divide divides the data from an offset on into blocks, each after its length, and appends their end. It begins with
// the last block, so that a block moves to a place from which the data have been moved.
func divide(out []byte, data int) []byte {
	n := len(out) - data
	blocks := ceil(n, gifBlock)
	out = append(out, make([]byte, blocks+1)...)
	for i := blocks - 1; i >= 0; i-- {
		size := min(n-i*gifBlock, gifBlock)
		to := data + i*(1+gifBlock)
		copy(out[to+1:], out[data+i*gifBlock:][:size])
		out[to] = byte(size)
	}
	return out
}
