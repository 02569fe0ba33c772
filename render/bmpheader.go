package render

import (
	"bytes"
	"errors"
	"fmt"
	"image"

	"golang.org/x/image/bmp"
)

// bmpPixels is where the rows of a BMP of 256 colours begin: after a
// BITMAPFILEHEADER, a BITMAPINFOHEADER and 256 RGBQUADs.
const bmpPixels = 14 + 40 + 1024

// bmpHeader returns the bytes that golang.org/x/image/bmp writes before the pixels of a picture of so many pixels. The
// encoder is stopped there: a picture may have billions of pixels, and here there are none.
func bmpHeader(w, h int64) ([]byte, error) {
	var out headerWriter
	picture := &image.Paletted{Rect: image.Rect(0, 0, int(w), int(h)), Palette: Palette()}
	if err := bmp.Encode(&out, picture); !errors.Is(err, errHeaderWritten) {
		return nil, fmt.Errorf("render: the header of a BMP of %d × %d pixels has %d bytes, not %d: %w", w, h, out.Len(), bmpPixels, err)
	}
	return out.Bytes(), nil
}

// errHeaderWritten ends an encoder that has written all that comes before the
// pixels.
var errHeaderWritten = errors.New("the header is written")

// headerWriter keeps the bytes that are written before the pixels.
type headerWriter struct{ bytes.Buffer }

func (w *headerWriter) Write(p []byte) (int, error) {
	n, _ := w.Buffer.Write(p[:min(len(p), bmpPixels-w.Len())])
	if w.Len() == bmpPixels {
		return n, errHeaderWritten
	}
	return n, nil
}
