package render

import (
	"fmt"
	"io"
	"math"
)

// Picture is a picture as a file: its size is exact before any of it is drawn.
type Picture interface {
	io.ReaderAt
	Size() int64
}

// BMP is a Windows bitmap file of 256 colours, one pixel a byte of its data, computed as it is read: byte for byte the
// file that golang.org/x/image/bmp writes of the same paletted picture. A pixel's value is the byte itself, and its
// colour is the byte's colour in [Palette]. It holds no pixels of its own and is safe for concurrent readers.
type BMP struct {
	w, h   int64
	stride int64 // bytes of a row in the file: w rounded up to a multiple of 4
	pixels pixelSource
}

// pixelSource yields cells of a picture in the order of a BMP file, whose
// first row is the lowest.
type pixelSource interface {
	// readRow fills p with the cells of file row f from column x on.
	readRow(p []byte, f, x int64) error
}

// rowsReader is a pixelSource that is quicker at many whole rows at once.
type rowsReader interface {
	// readRows fills as many of the rows from f on as fit in p, each stride
	// bytes long, and returns how many: at least one.
	readRows(p []byte, f, stride int64) (int, error)
}

// newBMP returns a picture without pixels yet, if a BMP can hold it.
func newBMP(w, h int64) (*BMP, error) {
	if w > math.MaxInt32 || h > math.MaxInt32 {
		return nil, fmt.Errorf("render: a picture of %d × %d pixels: a BMP is at most %d wide and high; choose another width",
			w, h, math.MaxInt32)
	}
	b := &BMP{w: w, h: h, stride: (w + 3) &^ 3}
	if b.Size() > math.MaxUint32 {
		return nil, fmt.Errorf("render: a picture of %d × %d pixels: a BMP is at most %d bytes long, not %d",
			w, h, int64(math.MaxUint32), b.Size())
	}
	return b, nil
}

// Size returns the length of the file in bytes.
func (b *BMP) Size() int64 { return bmpPixels + b.stride*b.h }

// Bounds returns the width and height in pixels.
func (b *BMP) Bounds() (w, h int64) { return b.w, b.h }

// ReadAt reads the file's bytes from off on, as [io.ReaderAt] does. An error
// of the data's own ReadAt is returned as it is.
func (b *BMP) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("render: read of a picture at negative offset %d", off)
	}
	if off >= b.Size() {
		return 0, io.EOF
	}
	short := b.Size()-off < int64(len(p))
	if short {
		p = p[:b.Size()-off]
	}
	n := 0
	if off < bmpPixels {
		header, err := bmpHeader(b.w, b.h)
		if err != nil {
			return 0, err
		}
		n = copy(p, header[off:])
	}
	m, err := b.readPixels(p[n:], off+int64(n)-bmpPixels)
	if n += m; err == nil && short {
		err = io.EOF
	}
	return n, err
}

// readPixels fills p with the file's rows, padding included, from byte at of
// the first row on.
func (b *BMP) readPixels(p []byte, at int64) (n int, err error) {
	rows, many := b.pixels.(rowsReader)
	for n < len(p) {
		f, x := at/b.stride, at%b.stride
		m := int(min(b.stride-x, int64(len(p)-n)))
		if whole := len(p) - n; many && x == 0 && int64(whole) >= 2*b.stride {
			var k int
			k, err = rows.readRows(p[n:], f, b.stride)
			m = k * int(b.stride)
		} else {
			err = b.readRow(p[n:n+m], f, x)
		}
		if err != nil {
			return n, err
		}
		n, at = n+m, at+int64(m)
	}
	return n, nil
}

// readRow fills p with bytes of one row from column x on: cells, then zeros
// for padding.
func (b *BMP) readRow(p []byte, f, x int64) error {
	cells := int(min(max(b.w-x, 0), int64(len(p))))
	clear(p[cells:])
	if cells == 0 {
		return nil
	}
	return b.pixels.readRow(p[:cells], f, x)
}
