package figure

import (
	"encoding/binary"
	"hash/adler32"
	"hash/crc32"
	"image"
	"image/color"
)

// pngFile is the format of still figures: a PNG of 256 colours whose data are
// "stored", not compressed, so that its length follows from its dimensions.
// (RFC 2083; RFC 1950 and 1951 for the data.)
type pngFile struct{}

const (
	pngSignature = "\x89PNG\r\n\x1a\n"
	pngChunk     = 4 + 4 + 4 // length, type and checksum of a chunk
	pngHeader    = 13        // of an IHDR
	storedMax    = 65535     // bytes of a stored block
	storedHead   = 5         // its final flag and its length twice
	zlibExtra    = 2 + 4     // header and checksum of the data
	colorTable   = 256 * 3
)

// storedLength returns how long n bytes are as stored blocks.
func storedLength(n int) int { return n + (n+storedMax-1)/storedMax*storedHead + zlibExtra }

// scanBytes returns the number of bytes of the rows, each after its filter.
func scanBytes(bounds image.Point) int { return (bounds.X + 1) * bounds.Y }

func (pngFile) size(bounds image.Point) int64 {
	return int64(len(pngSignature) + pngChunk + pngHeader + pngChunk + colorTable +
		pngChunk + storedLength(scanBytes(bounds)) + pngChunk)
}

func (f pngFile) encode(d drawing) []byte {
	p := d.frames[0]
	out := make([]byte, 0, f.size(p.Rect.Max))
	out = append(out, pngSignature...)
	header := binary.BigEndian.AppendUint32(nil, uint32(p.Rect.Dx()))
	header = binary.BigEndian.AppendUint32(header, uint32(p.Rect.Dy()))
	header = append(header, 8, 3, 0, 0, 0) // bits, palette, deflate, filters, not interlaced
	out = appendChunk(out, "IHDR", func(b []byte) []byte { return append(b, header...) })
	out = appendChunk(out, "PLTE", func(b []byte) []byte { return appendColors(b, d.colors) })
	out = appendChunk(out, "IDAT", func(b []byte) []byte { return appendStored(b, scanLines(p)) })
	return appendChunk(out, "IEND", func(b []byte) []byte { return b })
}

// appendChunk appends a chunk whose content is appended by body.
func appendChunk(out []byte, kind string, body func([]byte) []byte) []byte {
	start := len(out)
	out = append(out, 0, 0, 0, 0)
	out = body(append(out, kind...))
	binary.BigEndian.PutUint32(out[start:], uint32(len(out)-start-8))
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[start+4:]))
}

// appendColors appends a table of 256 colours; those not in use are black.
func appendColors(out []byte, colors color.Palette) []byte {
	start := len(out)
	for _, c := range colors {
		rgb := color.RGBAModel.Convert(c).(color.RGBA)
		out = append(out, rgb.R, rgb.G, rgb.B)
	}
	return append(out, make([]byte, colorTable-(len(out)-start))...)
}

// scanLines returns the rows of a picture, each after a zero: no filter.
func scanLines(p *image.Paletted) []byte {
	w := p.Rect.Dx()
	lines := make([]byte, scanBytes(p.Rect.Max))
	for y := range p.Rect.Dy() {
		copy(lines[y*(w+1)+1:], p.Pix[y*p.Stride:][:w])
	}
	return lines
}

// appendStored appends data as a zlib stream of stored blocks.
func appendStored(out, data []byte) []byte {
	sum := adler32.Checksum(data)
	out = append(out, 0x78, 0x01)
	for len(data) > 0 {
		n := min(len(data), storedMax)
		var final byte
		if n == len(data) {
			final = 1
		}
		out = append(out, final, byte(n), byte(n>>8), byte(^n), byte(^n>>8))
		out = append(out, data[:n]...)
		data = data[n:]
	}
	return binary.BigEndian.AppendUint32(out, sum)
}
