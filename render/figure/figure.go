package figure

import (
	"fmt"
	"image"
	"image/color"
)

// Figure is a picture as a file. It is measured when it is made, and its size
// is exact from then on; nothing is read and nothing drawn before Encode. Its
// files are not compressed: a listing must not have to draw all it lists. It
// is safe for concurrent use as far as its data are.
//
// The size depends on the size of the files, on their Marks and on the number
// of lines of Digest. What costs reading can be left out to learn the size: the
// digests themselves (but not their line ends), Missing, and all spans.
type Figure struct {
	bounds image.Point
	format format
	draw   func() (drawing, error)
}

// drawing is what a figure's drawing yields: frames of one size and palette.
type drawing struct {
	frames []*image.Paletted
	colors color.Palette
}

// format is a kind of file. Its files of equal dimensions are equally long.
type format interface {
	size(bounds image.Point) int64
	encode(d drawing) []byte
}

// Size returns the length of the file in bytes.
func (f *Figure) Size() int64 { return f.format.size(f.bounds) }

// Bounds returns the width and height in pixels.
func (f *Figure) Bounds() (w, h int) { return f.bounds.X, f.bounds.Y }

// Encode draws the figure and returns the file, the same each time. An error
// is that of reading the data.
func (f *Figure) Encode() ([]byte, error) {
	d, err := f.draw()
	if err != nil {
		return nil, err
	}
	for _, frame := range d.frames {
		if frame.Rect.Max != f.bounds {
			return nil, fmt.Errorf("figure: drawn as %v, measured as %v", frame.Rect.Max, f.bounds)
		}
	}
	return f.format.encode(d), nil
}

// Map draws the figure of [NewMap].
func Map(s Subject) ([]byte, error) { return encode(NewMap(s)) }

// Difference draws the figure of [NewDifference].
func Difference(s Subject, c Comparison) ([]byte, error) { return encode(NewDifference(s, c)) }

// Blink draws the figure of [NewBlink].
func Blink(a, b Subject) ([]byte, error) { return encode(NewBlink(a, b)) }

func encode(f *Figure, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return f.Encode()
}
