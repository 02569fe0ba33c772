package figure

import (
	"fmt"
	"image"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// style is one of the kinds of text in a figure.
type style int

const (
	titleStyle  style = iota
	bodyStyle         // subtitle, legend
	strongStyle       // heads of the legend, names of sections
	noteStyle         // fixed width: offsets, digests
	styles
)

// styleFonts gives each style its font and its size at text scale 1, in
// pixels.
var styleFonts = [styles]struct {
	ttf  []byte
	size float64
}{
	titleStyle:  {gobold.TTF, 25},
	bodyStyle:   {goregular.TTF, 14.5},
	strongStyle: {gobold.TTF, 13.5},
	noteStyle:   {gomono.TTF, 12.5},
}

// parsedFonts returns the fonts of the styles. They are parsed once, when the
// first figure is measured, and not changed after that.
var parsedFonts = sync.OnceValues(func() (fonts [styles]*opentype.Font, err error) {
	for s, f := range styleFonts {
		if fonts[s], err = opentype.Parse(f.ttf); err != nil {
			return fonts, fmt.Errorf("figure: embedded font: %w", err)
		}
	}
	return fonts, nil
})

// typesetter measures and draws text in the styles at one scale. It keeps the
// letters it has met and is for one figure, not for concurrent use.
type typesetter struct {
	faces    [styles]font.Face
	advances [styles]map[rune]fixed.Int26_6
	glyphs   [styles]map[rune]*glyph
}

// glyph is a drawn letter: its coverage, placed relative to the pen.
type glyph struct {
	mask *image.Alpha // nil: nothing to draw
	at   image.Point
}

func newTypesetter(scale float64) (*typesetter, error) {
	fonts, err := parsedFonts()
	if err != nil {
		return nil, err
	}
	t := new(typesetter)
	for s, f := range styleFonts {
		t.faces[s], err = opentype.NewFace(fonts[s], &opentype.FaceOptions{
			Size: f.size * scale, DPI: 72, Hinting: font.HintingFull})
		if err != nil {
			return nil, fmt.Errorf("figure: embedded font: %w", err)
		}
		t.advances[s] = make(map[rune]fixed.Int26_6)
		t.glyphs[s] = make(map[rune]*glyph)
	}
	return t, nil
}

// advance returns how far the pen moves for a letter. A letter that the font
// lacks is drawn, and measured, as its replacement.
func (t *typesetter) advance(s style, r rune) fixed.Int26_6 {
	a, ok := t.advances[s][r]
	if !ok {
		a, _ = t.faces[s].GlyphAdvance(r)
		t.advances[s][r] = a
	}
	return a
}

// glyph returns a letter, drawn if it was not.
func (t *typesetter) glyph(s style, r rune) *glyph {
	if g, ok := t.glyphs[s][r]; ok {
		return g
	}
	dr, mask, at, _, _ := t.faces[s].Glyph(fixed.Point26_6{}, r)
	g := &glyph{at: dr.Min}
	if alpha, ok := mask.(*image.Alpha); ok && !dr.Empty() {
		// The face draws the next letter in the same place: copy this one.
		g.mask = image.NewAlpha(image.Rectangle{Max: dr.Size()})
		for y := range dr.Dy() {
			from := alpha.PixOffset(at.X, at.Y+y)
			copy(g.mask.Pix[y*g.mask.Stride:], alpha.Pix[from:from+dr.Dx()])
		}
	}
	t.glyphs[s][r] = g
	return g
}

// width returns how wide a text is, in pixels.
func (t *typesetter) width(s style, text string) int {
	var w fixed.Int26_6
	for _, r := range text {
		w += t.advance(s, r)
	}
	return w.Ceil()
}

// height returns the height of a line of the style without extra space, and
// how much of it is above the base line.
func (t *typesetter) height(s style) (line, ascent int) {
	m := t.faces[s].Metrics()
	return (m.Ascent + m.Descent).Ceil(), m.Ascent.Ceil()
}

// cut shortens a text until it fits in width pixels.
func (t *typesetter) cut(s style, text string, width int) string {
	if t.width(s, text) <= width {
		return text
	}
	room := width - t.width(s, "…")
	var w fixed.Int26_6
	for i, r := range text {
		if w += t.advance(s, r); w.Ceil() > room {
			return text[:i] + "…"
		}
	}
	return text
}
