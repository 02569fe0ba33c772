package figure

import (
	"fmt"
	"image"

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

// typesetter draws text in the styles at one scale. It keeps the letters it
// has drawn and is for one figure, not for concurrent use.
type typesetter struct {
	faces  [styles]font.Face
	glyphs [styles]map[rune]*glyph
}

// glyph is a drawn letter: its coverage, placed relative to the pen.
type glyph struct {
	mask    *image.Alpha // nil: nothing to draw
	at      image.Point
	advance fixed.Int26_6
}

func newTypesetter(scale float64) (*typesetter, error) {
	t := new(typesetter)
	for s, f := range styleFonts {
		parsed, err := opentype.Parse(f.ttf)
		if err != nil {
			return nil, fmt.Errorf("figure: embedded font: %w", err)
		}
		t.faces[s], err = opentype.NewFace(parsed, &opentype.FaceOptions{
			Size: f.size * scale, DPI: 72, Hinting: font.HintingFull})
		if err != nil {
			return nil, fmt.Errorf("figure: embedded font: %w", err)
		}
		t.glyphs[s] = make(map[rune]*glyph)
	}
	return t, nil
}

// glyph returns a letter, drawn if it was not.
func (t *typesetter) glyph(s style, r rune) *glyph {
	if g, ok := t.glyphs[s][r]; ok {
		return g
	}
	dr, mask, at, advance, _ := t.faces[s].Glyph(fixed.Point26_6{}, r)
	g := &glyph{at: dr.Min, advance: advance}
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
		w += t.glyph(s, r).advance
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
	letters := []rune(text)
	for len(letters) > 0 && t.width(s, string(letters)+"…") > width {
		letters = letters[:len(letters)-1]
	}
	return string(letters) + "…"
}
