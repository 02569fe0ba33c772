package figure

import (
	"fmt"
	"image"
	"image/color"
	"slices"

	"memlens/render"
)

// Width of the largest plots, in pixels: Maps and differences of up to 1 MiB
// and animations of up to 512 KiB show every byte.
const (
	maxMapWidth   = 2048
	maxBlinkWidth = 1024
)

// NewMap returns a PNG of one file: each byte in the colour that colorize gives it, the missing bytes hatched. It fails
// where the file is larger than [MaxSize].
func NewMap(s Subject) (*Figure, error) {
	sheet, err := s.sheet(s.Size, maxMapWidth)
	if err != nil {
		return nil, err
	}
	size := sheet.lay(sheet.names.used, byteLegend{})
	return newFigure(pngFile{}, func(plain bool) (drawing, error) { return drawBytes(maxMapWidth, plain, s) },
		sheet.outlineOf(size, byteValues, byteLegend{})), nil
}

// sheet measures a figure of the subject's bytes at the scale of a file of
// size bytes.
func (s *Subject) sheet(size int64, maxWidth int) (*sheet, error) {
	if err := CheckSize(s.Size); err != nil {
		return nil, err
	}
	l := newLayout(size, maxWidth)
	return newSheet(s, l, byteSize(s.Size)+".", l.scaleNotes("their mean colour"))
}

// drawBytes draws subjects at the same scale and with the same colours, one
// frame each.
func drawBytes(maxWidth int, plain bool, subjects ...Subject) (drawing, error) {
	sheets, rows, err := byteSheets(maxWidth, subjects)
	if err != nil {
		return drawing{}, err
	}
	samples, index, err := sampled(sheets)
	if err != nil {
		return drawing{}, err
	}
	out := drawing{frames: len(sheets), colors: index.colors}
	legends := make([]byteLegend, len(sheets))
	for i, s := range sheets {
		legends[i] = byteLegend{index.colors, total(normalize(s.subject.Missing, s.subject.Size))}
		out.bounds = s.lay(rows, legends[i])
	}
	var pixels, dots []uint8
	out.frame = func(i int) *canvas {
		s := sheets[i]
		s.canvas = newCanvas(out.bounds, index.colors, s.text, pixels)
		dots = samples[i].dots(index, dots)
		s.drawDots(s.layout, dots, plain)
		s.drawAll(legends[i])
		if len(sheets) > 1 {
			s.drawTurn(i, subjects)
		}
		pixels = s.lines
		return s.canvas
	}
	return out, nil
}

// dotIndex is a palette, and the index in it of a dot by what a sample has of it.
type dotIndex struct {
	colors color.Palette
	ofByte *[256]uint8
	ofBin  []uint8 // nil: dots are bytes
}

// sampled returns the samples of figures of one scale, and the palette that they share.
func sampled(sheets []*sheet) ([]*sample, *dotIndex, error) {
	var means *histogram
	if sheets[0].dotBytes > 1 {
		means = new(histogram)
	}
	out := make([]*sample, len(sheets))
	var count [256]int
	for i, s := range sheets {
		var err error
		if out[i], err = take(s.subject, s.layout, means); err != nil {
			return nil, nil, err
		}
		for _, c := range out[i].bytes {
			count[c]++
		}
	}
	x := new(dotIndex)
	if x.colors, x.ofByte = bytePalette(&count); means != nil {
		x.colors, x.ofBin = quantize(means)
	}
	return out, x, nil
}

// dots returns a sample as indexes of a palette. It uses the memory of room, or of the sample's bytes.
func (s *sample) dots(x *dotIndex, room []uint8) []uint8 {
	out := s.bytes
	for i, c := range out {
		out[i] = x.ofByte[c]
	}
	if x.ofBin != nil {
		out = slices.Grow(room[:0], len(s.bins))[:len(s.bins)]
		for i, bin := range s.bins {
			out[i] = x.ofBin[bin]
		}
	}
	for _, gone := range s.gone {
		for i := gone.Off; i < gone.end(); i++ {
			out[i] = hatched
		}
	}
	return out
}

// scaleNotes says what a pixel stands for; how says how a pixel shows many bytes.
func (l *layout) scaleNotes(how string) string {
	column := fmt.Sprintf("A column is %s bytes (%#x); the data run down, then right.", group(l.columnBytes()), l.columnBytes())
	switch {
	case l.dotBytes > 1:
		return fmt.Sprintf("Scale: 1 pixel = %s bytes, %s.  %s", group(l.dotBytes), how, column)
	case l.zoomX > 1:
		return fmt.Sprintf("Scale: 1 byte = %d × %d pixels.  %s", l.zoomX, l.zoomY, column)
	}
	return "Scale: 1 pixel = 1 byte.  " + column
}

// byteLegend explains the colours of bytes and the hatching.
type byteLegend struct {
	colors  color.Palette
	missing int64
}

func (byteLegend) height(s *sheet) int {
	return s.lineHeight(strongStyle) + s.px(28) + s.lineHeight(noteStyle)
}

func (lg byteLegend) draw(s *sheet, at image.Point) {
	bar := image.Rect(0, 0, s.px(384), s.px(18)).Add(at.Add(image.Pt(0, s.lineHeight(strongStyle)+s.px(6))))
	s.write(strongStyle, full, at, "Value of a byte")
	lg.scaleBar(s, bar)
	x := bar.Max.X + s.px(56)
	s.write(strongStyle, full, image.Pt(x, at.Y), "Not recovered")
	swatch := image.Rect(x, bar.Min.Y, x+s.px(46), bar.Max.Y)
	s.hatch(swatch)
	s.frame(swatch, faint-1)
	text := fmt.Sprintf("%s (%s)", plural(lg.missing, "byte"), percent(lg.missing, s.subject.Size))
	switch {
	case s.outline != nil: // it is not known yet
		text = fmt.Sprintf("%s (%s)", plural(max(s.subject.Size, 1e6), "byte"), mostPercent)
	case s.subject.Size == 0:
		text = "the file is empty"
	case lg.missing == 0:
		text = "nothing is missing"
	}
	s.write(bodyStyle, full, image.Pt(swatch.Max.X+s.px(10), bar.Min.Y), text)
}

// scaleBar draws the colours from 00 to ff.
func (lg byteLegend) scaleBar(s *sheet, bar image.Rectangle) {
	s.fillBar(bar, lg.nearest)
	s.frame(bar, faint-1)
	for _, c := range []int{0, 0x40, 0x80, 0xc0, 0xff} {
		x := bar.Min.X + c*bar.Dx()/256
		s.fill(image.Rect(x, bar.Max.Y+1, x+1, bar.Max.Y+s.px(4)), ink)
		label := fmt.Sprintf("%02x", c)
		s.write(noteStyle, full, image.Pt(x-s.text.width(noteStyle, label)/2, bar.Max.Y+s.px(5)), label)
	}
}

// fillBar paints a rectangle in the colours of bytes, from left to right.
func (c *canvas) fillBar(bar image.Rectangle, index func(color.Color) uint8) {
	if c.outline != nil {
		c.add(&c.outline.bars, bar)
		return
	}
	for b, rgb := range render.Palette() {
		from, to := bar.Min.X+b*bar.Dx()/256, bar.Min.X+(b+1)*bar.Dx()/256
		c.fill(image.Rect(from, bar.Min.Y, to, bar.Max.Y), index(rgb))
	}
}

// nearest returns the colour of the data most like a byte's.
func (lg byteLegend) nearest(rgb color.Color) uint8 {
	return uint8(firstData + lg.colors[firstData:].Index(rgb))
}
