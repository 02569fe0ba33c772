package figure

import (
	"encoding/binary"
	"hash/crc32"
	"image/color"
)

// pngFile is the format of still figures: a PNG of 256 colours (RFC 2083). Its
// last chunk but one is padding, which is of a kind that readers pass over.
type pngFile struct{}

const (
	pngSignature = "\x89PNG\r\n\x1a\n"
	pngChunk     = 4 + 4 + 4 // length, type and checksum of a chunk
	pngHeader    = 13        // of an IHDR
	pngPadding   = "paDd"    // may be passed over, private, may be copied
	colorTable   = 256 * 3
)

func (pngFile) most(frames []*outline) int64 {
	return int64(len(pngSignature) + pngChunk + pngHeader + pngChunk + colorTable +
		pngChunk + frames[0].deflatedMost() + pngChunk + pngChunk)
}

func (f pngFile) encode(d drawing, frames []*outline) []byte {
	p := d.frame(0)
	out := append(make([]byte, 0, f.most(frames)), pngSignature...)
	header := binary.BigEndian.AppendUint32(nil, uint32(p.Rect.Dx()))
	header = binary.BigEndian.AppendUint32(header, uint32(p.Rect.Dy()))
	header = append(header, 8, 3, 0, 0, 0) // bits, palette, deflate, filters, not interlaced
	out = appendChunk(out, "IHDR", func(b []byte) []byte { return append(b, header...) })
	out = appendChunk(out, "PLTE", func(b []byte) []byte { return appendColors(b, d.colors) })
	return appendChunk(out, "IDAT", func(b []byte) []byte { return appendDeflated(b, frames[0], p.lines) })
}

func (pngFile) end(file []byte, size int64) []byte {
	n := max(int(size)-len(file)-2*pngChunk, 0)
	file = appendChunk(file, pngPadding, func(b []byte) []byte { return append(b, make([]byte, n)...) })
	return appendChunk(file, "IEND", func(b []byte) []byte { return b })
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
