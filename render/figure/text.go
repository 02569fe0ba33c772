package figure

import (
	"fmt"
	"image"
	"sync"
	"unicode"

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
	scale  float64
	sizes  *letterSizes
	shared bool // the sizes are, and known of all letters that they have room for
	faces  [styles]font.Face
	others [styles]map[rune]fixed.Int26_6 // advances that are not among the sizes
	glyphs [styles]map[rune]*glyph
}

// letterSizes are the sizes of the letters at one scale, in pixels.
type letterSizes struct {
	line, ascent [styles]int
	advance      [styles][unicode.MaxLatin1 + 1]fixed.Int26_6 // 0: not known
	ellipsis     [styles]fixed.Int26_6
}

// of returns where the advance of a letter is kept; nil: it is not.
func (z *letterSizes) of(s style, r rune) *fixed.Int26_6 {
	switch {
	case r <= unicode.MaxLatin1:
		return &z.advance[s][r]
	case r == '…':
		return &z.ellipsis[s]
	}
	return nil
}

// glyph is a drawn letter: its coverage, placed relative to the pen.
type glyph struct {
	mask *image.Alpha // nil: nothing to draw
	at   image.Point
}

func newTypesetter(scale float64) (*typesetter, error) {
	t := &typesetter{scale: scale}
	if scale == 1 {
		sizes, err := commonSizes()
		t.sizes, t.shared = sizes, true
		return t, err
	}
	t.sizes = new(letterSizes)
	return t, t.measure()
}

// commonSizes are the sizes of letters at scale 1, the scale of most figures: a listing measures thousands.
var commonSizes = sync.OnceValues(func() (*letterSizes, error) {
	t := &typesetter{scale: 1, sizes: new(letterSizes)}
	err := t.measure()
	if err != nil {
		return nil, err
	}
	for s := range styles {
		for r := range rune(unicode.MaxLatin1 + 1) {
			t.advance(s, r)
		}
		t.advance(s, '…')
	}
	return t.sizes, nil
})

// measure finds the sizes of the styles.
func (t *typesetter) measure() error {
	if _, err := parsedFonts(); err != nil {
		return err
	}
	for s := range styles {
		m := t.face(s).Metrics()
		t.sizes.line[s], t.sizes.ascent[s] = (m.Ascent + m.Descent).Ceil(), m.Ascent.Ceil()
	}
	return nil
}

// face returns the font of a style at the scale.
func (t *typesetter) face(s style) font.Face {
	if t.faces[s] == nil {
		fonts, _ := parsedFonts()                                                                                                                 // they have been parsed before
		t.faces[s], _ = opentype.NewFace(fonts[s], &opentype.FaceOptions{Size: styleFonts[s].size * t.scale, DPI: 72, Hinting: font.HintingFull}) // it never fails
	}
	return t.faces[s]
}

// advance returns how far the pen moves for a letter. A letter that the font
// lacks is drawn, and measured, as its replacement.
func (t *typesetter) advance(s style, r rune) fixed.Int26_6 {
	known := t.sizes.of(s, r)
	if known != nil && *known != 0 {
		return *known
	}
	if a, ok := t.others[s][r]; ok {
		return a
	}
	a, _ := t.face(s).GlyphAdvance(r)
	if known != nil && !t.shared {
		*known = a
		return a
	}
	if t.others[s] == nil {
		t.others[s] = map[rune]fixed.Int26_6{}
	}
	t.others[s][r] = a
	return a
}

// glyph returns a letter, drawn if it was not.
func (t *typesetter) glyph(s style, r rune) *glyph {
	if g, ok := t.glyphs[s][r]; ok {
		return g
	}
	dr, mask, at, _, _ := t.face(s).Glyph(fixed.Point26_6{}, r)
	g := &glyph{at: dr.Min}
	if alpha, ok := mask.(*image.Alpha); ok && !dr.Empty() {
		// The face draws the next letter in the same place: copy this one.
		g.mask = image.NewAlpha(image.Rectangle{Max: dr.Size()})
		for y := range dr.Dy() {
			from := alpha.PixOffset(at.X, at.Y+y)
			copy(g.mask.Pix[y*g.mask.Stride:], alpha.Pix[from:from+dr.Dx()])
		}
	}
	if t.glyphs[s] == nil {
		t.glyphs[s] = make(map[rune]*glyph)
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
	return t.sizes.line[s], t.sizes.ascent[s]
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
