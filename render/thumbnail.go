package render

import (
	"bytes"
	"image"
	"image/color"
	"io"

	"golang.org/x/image/bmp"
)

// A thumbnail is as wide and as high in pixels, and its file as long in bytes.
const (
	ThumbnailSide = 256
	ThumbnailSize = bmpPixels + ThumbnailSide*ThumbnailSide
)

// The colours of a thumbnail are the colours of [Palette], with two exceptions: the bytes fc to fe, which look alike,
// share one colour, and missing bytes have two greys.
const (
	thumbnailRed  = 252
	thumbnailDark = 253
	thumbnailPale = 254
)

// Thumbnail returns a BMP of [ThumbnailSize] bytes that shows the picture of [Colorize] as a square, whatever its
// shape. Each dot stands for some bytes and shows one of these bytes, taken at a place that looks random and is the
// same each time: so a dot has a colour of the legend, and a table in the data does not come out as one colour. Missing
// bytes are hatched; past the end is white. Of large data few bytes are read.
func Thumbnail(data io.ReaderAt, size int64, g Geometry, missing func(off int64) bool) ([]byte, error) {
	if err := g.Check(size); err != nil {
		return nil, err
	}
	t := thumbnail{data: data, size: size, missing: missing,
		picture: image.NewPaletted(image.Rect(0, 0, ThumbnailSide, ThumbnailSide), thumbnailPalette())}
	w, h := g.Bounds(size)
	for i := range ThumbnailSide * ThumbnailSide {
		x, y := i%ThumbnailSide, i/ThumbnailSide
		if g.transposed() { // the data go down
			x, y = y, x
		}
		if err := t.draw(x, y, t.offset(x, y, w, h, g)); err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	err := bmp.Encode(&out, t.picture)
	return out.Bytes(), err
}

func thumbnailPalette() color.Palette {
	p := Palette()
	p[thumbnailDark], p[thumbnailPale] = color.RGBA{0x7c, 0x7c, 0x7c, 255}, color.RGBA{0xd6, 0xd6, 0xd6, 255}
	return p
}

// thumbnail is one that is being drawn.
type thumbnail struct {
	data    io.ReaderAt
	size    int64
	missing func(off int64) bool
	picture *image.Paletted
	block   [512]byte // of the data, read last
	from    int64     // where it begins
	length  int       // how many bytes block holds
}

// offset returns the byte that a dot shows of a picture of w × h.
func (t *thumbnail) offset(x, y int, w, h int64, g Geometry) int64 {
	column, row := pick(x, w, 0), pick(y, h, 0)
	if g.transposed() {
		return column*h + pick(y, h, x+1)
	}
	if g.Reversed && !g.Horizontal {
		row = h - 1 - row
	}
	return row*w + pick(x, w, y+1)
}

// pick returns which of n lines the line i of a thumbnail shows: one of the lines that it stands for.
func pick(i int, n int64, salt int) int64 {
	from, to := int64(i)*n/ThumbnailSide, int64(i+1)*n/ThumbnailSide
	if to <= from+1 {
		return from
	}
	mixed := (uint32(i)*0x9e3779b1 ^ uint32(salt)*0x85ebca77) * 0xc2b2ae3d
	return from + int64(mixed>>8)%(to-from)
}

func (t *thumbnail) draw(x, y int, off int64) error {
	dot := &t.picture.Pix[y*t.picture.Stride+x]
	switch {
	case off >= t.size:
		*dot = cellBeyond
	case t.missing(off):
		if *dot = thumbnailPale; (x+y)%8 < 3 {
			*dot = thumbnailDark
		}
	default:
		c, err := t.at(off)
		if *dot = c; c > thumbnailRed && c < cellBeyond {
			*dot = thumbnailRed
		}
		return err
	}
	return nil
}

// at returns the byte at an offset.
func (t *thumbnail) at(off int64) (byte, error) {
	if off < t.from || off >= t.from+int64(t.length) {
		t.from = off - off%int64(len(t.block))
		t.length = int(min(int64(len(t.block)), t.size-t.from))
		if err := readFull(t.data, t.block[:t.length], t.from); err != nil {
			t.length = 0
			return 0, err
		}
	}
	return t.block[off-t.from], nil
}
