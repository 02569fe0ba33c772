package figure

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"strings"
)

// svg is a diagram while it is written as an SVG: a text that needs no other file. It holds no script, and no address.
type svg struct {
	out    bytes.Buffer
	text   *typesetter
	colors color.Palette
	// late is the most bytes that the texts take that are not known yet: to measure the file.
	late int
	// measured says that the file is only measured.
	measured bool
}

// svgFonts are the fonts of the styles. The fonts of the figures come first, where a system has them; others are about
// as wide.
var svgFonts = [styles]struct{ family, weight string }{
	titleStyle:  {"Go,Arial,Helvetica,sans-serif", "bold"},
	bodyStyle:   {"Go,Arial,Helvetica,sans-serif", "normal"},
	strongStyle: {"Go,Arial,Helvetica,sans-serif", "bold"},
	noteStyle:   {"Go Mono,DejaVu Sans Mono,Consolas,monospace", "normal"},
}

// DiagramSVG returns a diagram as an SVG whose length is [DiagramSVGSize]: with the same things in the same places as
// the PNG of [NewDiagram], and texts that can be selected.
func DiagramSVG(d Diagram, found *Survey) ([]byte, error) {
	s, err := d.sheet()
	if err != nil {
		return nil, err
	}
	size := s.svgSize()
	w := &svg{text: s.text, colors: diagramPalette()}
	w.draw(s, found)
	out := w.out.Bytes()
	if int64(len(out)) > size {
		return nil, fmt.Errorf("figure: longer than the %d bytes that were measured", size)
	}
	pad := bytes.Repeat([]byte{' '}, int(size)-len(out))
	return append(append(out[:len(out)-1:len(out)-1], pad...), '\n'), nil
}

// DiagramSVGSize returns the length of the SVG, whatever the survey finds.
func DiagramSVGSize(d Diagram) (int64, error) {
	s, err := d.sheet()
	if err != nil {
		return 0, err
	}
	return s.svgSize(), nil
}

func (s *diagramSheet) svgSize() int64 {
	w := &svg{text: s.text, colors: diagramPalette(), measured: true}
	w.draw(s, nil)
	return int64(w.out.Len() + w.late)
}

// draw writes the whole file.
func (w *svg) draw(s *diagramSheet, found *Survey) {
	fmt.Fprintf(&w.out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img" aria-labelledby="t d">`+"\n", s.size.X, s.size.Y)
	fmt.Fprintf(&w.out, "<title id=\"t\">%s</title>\n<desc id=\"d\">%s ", escaped(printable(s.diagram.Title, maxLetters)), s.diagram.describe())
	notice := ""
	if found != nil {
		notice = printable(found.Notice, maxNotice)
	}
	if w.measured {
		w.late += 2 * maxLate
	}
	w.out.WriteString(bounded(notice, 2*maxLate))
	w.out.WriteString("</desc>\n")
	fmt.Fprintf(&w.out, `<defs><pattern id="h" width="8" height="8" patternUnits="userSpaceOnUse"><path fill="%s" d="M0 0h8v8H0z"/><path stroke="%s" stroke-width="1.5" d="M-2 2 2-2M0 8 8 0M6 10 10 6"/></pattern></defs>`+"\n",
		w.color(hatchLight), w.color(hatchDark))
	w.rect(image.Rectangle{Max: s.size}, w.color(white))
	s.draw(w, found)
	w.out.WriteString("</svg>\n")
}

// describe describes a diagram, for people who do not see it.
func (d *Diagram) describe() string {
	return "The executable as its file is on disk, as it is in memory, and as it was recovered: three columns of sections, joined by bands."
}

func (w *svg) color(index uint8) string {
	c := color.RGBAModel.Convert(w.colors[index]).(color.RGBA)
	return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)
}

func (w *svg) rect(r image.Rectangle, color string) {
	if !r.Empty() {
		fmt.Fprintf(&w.out, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`+"\n", r.Min.X, r.Min.Y, r.Dx(), r.Dy(), color)
	}
}

// fill implements [pen].
func (w *svg) fill(r image.Rectangle, index uint8) { w.rect(r, w.color(index)) }

// hatch implements [pen].
func (w *svg) hatch(r image.Rectangle) { w.rect(r, "url(#h)") }

// frame implements [pen].
func (w *svg) frame(r image.Rectangle, index uint8) {
	fmt.Fprintf(&w.out, `<path fill="none" stroke="%s" d="M%d.5 %d.5h%dv%dh-%[4]dz"/>`+"\n", w.color(index), r.Min.X-1, r.Min.Y-1, r.Dx()+1, r.Dy()+1)
}

// band implements [pen].
func (w *svg) band(left, right edge, index uint8) {
	fmt.Fprintf(&w.out, `<path fill="%s" d="M%d %dL%d %dV%dL%d %dz"/>`+"\n", w.color(index), left.x, left.top, right.x, right.top, right.bottom, left.x, left.bottom)
}

// rows implements [pen]: a path for each colour.
func (w *svg) rows(strip image.Rectangle, colors []uint8) {
	const path = 96 // of the path of a colour, at most
	if w.measured {
		run := len(fmt.Sprintf("M0 %dv1", strip.Max.Y))
		w.late += (strip.Dy()+1)*run + (len(changes.looks)+1)*path
		return
	}
	var order []uint8
	runs := map[uint8]*strings.Builder{}
	for i := 0; i < len(colors); {
		n := i + 1
		for n < len(colors) && colors[n] == colors[i] {
			n++
		}
		if c := colors[i]; c != bare {
			if runs[c] == nil {
				runs[c], order = new(strings.Builder), append(order, c)
			}
			fmt.Fprintf(runs[c], "M0 %dv%d", strip.Min.Y+i, n-i)
		}
		i = n
	}
	for _, c := range order {
		color := w.color(c)
		if c == hatched {
			color = "url(#h)"
		}
		fmt.Fprintf(&w.out, `<path stroke="%s" stroke-width="%d" transform="translate(%d)" d="%s"/>`+"\n", color, strip.Dx(), strip.Min.X+strip.Dx()/2, runs[c])
	}
}

// write implements [pen].
func (w *svg) write(s style, dark shade, p image.Point, text string) (right int) {
	w.letters(s, dark, p, "start", text)
	return p.X + w.text.width(s, text)
}

// writeRight implements [pen].
func (w *svg) writeRight(s style, dark shade, p image.Point, text string) {
	w.letters(s, dark, p, "end", text)
}

func (w *svg) letters(s style, dark shade, p image.Point, anchor, text string) {
	if text != "" {
		w.markup(s, dark, p, anchor, w.text.width(s, text), escaped(text))
	}
}

// writeLate implements [pen].
func (w *svg) writeLate(s style, p image.Point, width int, text string) {
	if w.measured || text != "" {
		w.markupLate(s, p, w.text.cut(s, printable(text, maxLetters), width))
	}
}

// maxLate is how many bytes of a line may be that is not known when the file is
// measured.
const maxLate = 320

func (w *svg) markupLate(s style, p image.Point, text string) {
	if w.measured {
		w.late += maxLate + 3 // digits of its width
		text = ""
	}
	w.markup(s, full, p, "start", w.text.width(s, text), bounded(text, maxLate))
}

// markup writes a text that is escaped, with its width: whatever font a system has for it, it takes as much room.
func (w *svg) markup(s style, dark shade, p image.Point, anchor string, width int, text string) {
	_, ascent := w.text.height(s)
	f := svgFonts[s]
	fmt.Fprintf(&w.out, `<text x="%d" y="%d" font-family="%s" font-size="%g" font-weight="%s" text-anchor="%s" fill="%s" textLength="%d" lengthAdjust="spacingAndGlyphs" xml:space="preserve">%s</text>`+"\n",
		p.X, p.Y+ascent, f.family, styleFonts[s].size, f.weight, anchor, w.color(uint8(white-int(dark))), width, text)
}

// escaped writes a text so that XML has it as it is.
func escaped(text string) string {
	var out strings.Builder
	xml.EscapeText(&out, []byte(text)) // it fails if the writer does
	return out.String()
}

// bounded escapes as much of a text as makes no more than max bytes.
func bounded(text string, max int) string {
	var out strings.Builder
	for _, r := range text {
		one := escaped(string(r))
		if out.Len()+len(one) > max {
			break
		}
		out.WriteString(one)
	}
	return out.String()
}
