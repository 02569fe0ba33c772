package figure

import (
	"bytes"
	"fmt"
	"image"
	"image/gif"
	"image/png"
)

// encodePNG writes a picture quickly rather than small.
func encodePNG(p *image.Paletted) ([]byte, error) {
	var out bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := enc.Encode(&out, p); err != nil {
		return nil, fmt.Errorf("figure: PNG: %w", err)
	}
	return out.Bytes(), nil
}

// encodeGIF writes frames that follow each other for ever, each shown for
// delay hundredths of a second.
func encodeGIF(delay int, frames ...*image.Paletted) ([]byte, error) {
	g := &gif.GIF{Image: frames, Delay: make([]int, len(frames))}
	for i := range frames {
		g.Delay[i] = delay
	}
	var out bytes.Buffer
	if err := gif.EncodeAll(&out, g); err != nil {
		return nil, fmt.Errorf("figure: GIF: %w", err)
	}
	return out.Bytes(), nil
}
