package figure

import (
	"fmt"
	"image"
	"image/color"
)

// Figure is a picture as a file. It is measured when it is made, and its size
// is exact from then on; nothing is read and nothing drawn before Encode: a
// listing must not have to draw all it lists. So a file is compressed only as
// far as its layout promises, and padded to the length that it has then at most.
// It is safe for concurrent use as far as its data are.
//
// The size depends on the size of the files, on their Title, Subtitle, Frame and
// Marks, on the number of lines of Digest, and on whether there is a Notice. What
// costs reading can be left out to learn the size: the digests themselves (but not
// their line ends), the text of Notice (but not all of it), Missing, and all spans.
type Figure struct {
	bounds   image.Point
	size     int64
	format   format
	outlines []*outline // of the frames
	draw     func(plain bool) (drawing, error)
}

func newFigure(f format, draw func(plain bool) (drawing, error), frames ...*outline) *Figure {
	return &Figure{frames[0].bounds, f.most(frames), f, frames, draw}
}

// drawing is a figure whose data have been read: frames of one size and palette. Frames are drawn one after the other,
// once each, in the same memory: a frame is valid until the next one is drawn. An encoder may change its pixels.
type drawing struct {
	frames int
	bounds image.Point
	colors color.Palette
	frame  func(i int) *canvas
}

// still is a drawing of one frame.
func still(c *canvas) drawing {
	return drawing{1, c.Rect.Max, c.Palette, func(int) *canvas { return c }}
}

// format is a kind of file. Its files are at most as long as follows from their
// outlines, and are then padded to that length.
type format interface {
	most(frames []*outline) int64
	encode(d drawing, frames []*outline) []byte // without its end
	end(file []byte, size int64) []byte
}

// Size returns the length of the file in bytes.
func (f *Figure) Size() int64 { return f.size }

// Bounds returns the width and height in pixels.
func (f *Figure) Bounds() (w, h int) { return f.bounds.X, f.bounds.Y }

// Encode draws the figure and returns the file, the same each time. An error is from reading the data. If the missing
// bytes are in so many pieces that hatching them would take more than Size allows, they are drawn in plain grey.
func (f *Figure) Encode() ([]byte, error) {
	for _, plain := range []bool{false, true} {
		d, err := f.draw(plain)
		if err != nil {
			return nil, err
		}
		if d.bounds != f.bounds {
			return nil, fmt.Errorf("figure: drawn as %v, measured as %v", d.bounds, f.bounds)
		}
		if file := f.format.end(f.format.encode(d, f.outlines), f.size); int64(len(file)) == f.size {
			return file, nil
		}
	}
	return nil, fmt.Errorf("figure: longer than the %d bytes that were measured", f.size)
}

// Map draws the figure of [NewMap].
func Map(s Subject) ([]byte, error) { return encode(NewMap(s)) }

// Difference draws the figure of [NewDifference].
func Difference(s Subject, c Comparison) ([]byte, error) { return encode(NewDifference(s, c)) }

// Blink draws the figure of [NewBlink].
func Blink(frames ...Subject) ([]byte, error) { return encode(NewBlink(frames...)) }

func encode(f *Figure, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return f.Encode()
}
