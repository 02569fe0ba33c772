package figure

import "image"

// NewDiagram returns a PNG of an executable's three layouts: their sections joined by bands, the bytes that alignment
// added, the missing bytes and the changed bytes, with a legend that counts. survey is called when it is drawn. Errors
// are the errors of [NewMap] and of survey.
func NewDiagram(d Diagram, survey func() (*Survey, error)) (*Figure, error) {
	s, err := d.sheet()
	if err != nil {
		return nil, err
	}
	plot := &layout{zoomX: 1, zoomY: 1, plot: image.Rect(0, s.bottom, 0, s.bottom)}
	c := outlined(s.size, s.text, plot, classValues)
	s.draw(c, nil)
	return newFigure(pngFile{}, func(plain bool) (drawing, error) { return d.draw(plain, survey) }, c.outline), nil
}

func (d *Diagram) draw(plain bool, survey func() (*Survey, error)) (drawing, error) {
	s, err := d.sheet()
	if err != nil {
		return drawing{}, err
	}
	found, err := survey()
	if err != nil {
		return drawing{}, err
	}
	c := newCanvas(s.size, diagramPalette(), s.text, nil)
	s.draw(&diagramCanvas{c, plain}, found)
	return still(c), nil
}

// diagramCanvas is a canvas on which missing bytes may be plain.
type diagramCanvas struct {
	*canvas
	plain bool
}

// rows implements [pen].
func (c *diagramCanvas) rows(strip image.Rectangle, colors []uint8) {
	if c.plain {
		colors = append([]uint8(nil), colors...)
		for i, index := range colors {
			if index == hatched {
				colors[i] = hatchLight
			}
		}
	}
	c.canvas.rows(strip, colors)
}
