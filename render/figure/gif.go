package figure

import (
	"encoding/binary"
	"image"
)

// gifFile is the format of animations: a GIF89a of so many frames, each shown
// for delay hundredths of a second, for ever. Its data use LZW codes of one
// pixel only, so that its length follows from its dimensions.
type gifFile struct{ frames, delay int }

const (
	gifHead      = 6 + 7                   // signature, screen descriptor
	gifLoop      = 3 + 11 + 1 + 3 + 1      // application extension
	gifFrame     = 8 + 10 + 1 + gifTrailer // control, descriptor, code size; end of data
	gifTrailer   = 1
	gifBlock     = 255 // bytes of a block of data
	gifCodeBits  = 9
	gifClear     = 256
	gifEnd       = 257
	gifRun       = 250 // pixels between two clear codes: fewer than make codes of 10 bits
	gifLoopBlock = "\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"
)

// codes returns how many codes so many pixels take.
func codes(pixels int) int { return pixels + (pixels+gifRun-1)/gifRun + 1 }

func (f gifFile) size(bounds image.Point) int64 {
	data := (codes(bounds.X*bounds.Y)*gifCodeBits + 7) / 8
	blocks := (data + gifBlock - 1) / gifBlock
	return int64(gifHead + colorTable + gifLoop + f.frames*(gifFrame+data+blocks) + gifTrailer)
}

func (f gifFile) encode(d drawing) []byte {
	bounds := d.frames[0].Rect.Max
	le := binary.LittleEndian
	out := make([]byte, 0, f.size(bounds))
	out = append(out, "GIF89a"...)
	out = le.AppendUint16(out, uint16(bounds.X))
	out = le.AppendUint16(out, uint16(bounds.Y))
	out = append(out, 0xf7, 0, 0) // 256 colours of 8 bits
	out = appendColors(out, d.colors)
	out = append(out, gifLoopBlock...)
	for _, p := range d.frames {
		out = append(out, 0x21, 0xf9, 4, 0)
		out = le.AppendUint16(out, uint16(f.delay))
		out = append(out, 0, 0)
		out = append(out, 0x2c, 0, 0, 0, 0)
		out = le.AppendUint16(out, uint16(bounds.X))
		out = le.AppendUint16(out, uint16(bounds.Y))
		out = append(out, 0, gifCodeBits-1)
		out = appendBlocks(out, packPixels(p))
	}
	return append(out, 0x3b)
}

// packPixels returns the codes of a picture, bits from the lowest up.
func packPixels(p *image.Paletted) []byte {
	out := make([]byte, 0, (codes(p.Rect.Dx()*p.Rect.Dy())*gifCodeBits+7)/8+8)
	var word uint64
	var bits uint
	put := func(code uint64) {
		word |= code << bits
		if bits += gifCodeBits; bits >= 32 {
			out = binary.LittleEndian.AppendUint32(out, uint32(word))
			word, bits = word>>32, bits-32
		}
	}
	run := 0
	for y := range p.Rect.Dy() {
		for _, v := range p.Pix[y*p.Stride:][:p.Rect.Dx()] {
			if run == 0 {
				put(gifClear)
				run = gifRun
			}
			put(uint64(v))
			run--
		}
	}
	put(gifEnd)
	for ; bits > 0; bits -= min(bits, 8) {
		out = append(out, byte(word))
		word >>= 8
	}
	return out
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
