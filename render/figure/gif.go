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
	for i, p := range d.frames {
		out = append(out, 0x21, 0xf9, 4, 0)
		out = le.AppendUint16(out, uint16(f.delay))
		out = append(out, 0, 0)
		out = append(out, 0x2c, 0, 0, 0, 0)
		out = le.AppendUint16(out, uint16(bounds.X))
		out = le.AppendUint16(out, uint16(bounds.Y))
		out = append(out, 0, lzwBits)
		out = appendBlocks(out, frames[i].lzw(p.Pix, p.Stride))
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

// appendBlocks appends data in blocks, and their end.
func appendBlocks(out, data []byte) []byte {
	for len(data) > 0 {
		n := min(len(data), gifBlock)
		out = append(append(out, byte(n)), data[:n]...)
		data = data[n:]
	}
	return append(out, 0)
}
