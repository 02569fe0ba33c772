package figure

import "image"

// Bounds of the plot, in pixels. A column is plotHeight pixels high, the
// height of colorized pictures, so that up to maxWidth columns one pixel is
// one byte.
const (
	plotHeight = 512
	minWidth   = 1024 // plots narrower than this are magnified where possible
	maxZoom    = 32
)

// layout says where each byte of a file is drawn. A dot stands for one or more bytes: zoomX by zoomY pixels.
type layout struct {
	size     int64
	dotBytes int64 // bytes a dot stands for
	rows     int   // dots in a column
	columns  int   // at least 1
	zoomX    int
	zoomY    int
	plot     image.Rectangle // on the canvas
}

// newLayout chooses the scale for size bytes: reduced until the plot is at
// most maxWidth wide, or magnified until it would exceed minWidth.
func newLayout(size int64, maxWidth int) *layout {
	l := &layout{size: size, dotBytes: 1, rows: plotHeight, zoomX: 1, zoomY: 1}
	for (size-1)/(l.dotBytes*plotHeight) >= int64(maxWidth) {
		l.dotBytes *= 2
	}
	for l.zoomY < maxZoom && l.width(2*l.zoomY, 2*l.zoomY) <= minWidth {
		l.zoomX, l.zoomY = 2*l.zoomX, 2*l.zoomY
	}
	if l.zoomY < maxZoom && l.width(2*l.zoomX, l.zoomY) <= minWidth {
		l.zoomX *= 2
	}
	l.rows = plotHeight / l.zoomY
	l.columns = l.width(1, l.zoomY)
	return l
}

// width returns the width in pixels of a plot of dots of zoomX by zoomY.
func (l *layout) width(zoomX, zoomY int) int {
	column := l.dotBytes * int64(plotHeight/zoomY)
	return zoomX * int(max((l.size-1)/column+1, 1))
}

// dots returns how many dots the data make.
func (l *layout) dots() int { return int((l.size + l.dotBytes - 1) / l.dotBytes) }

// columnBytes returns how many bytes a column holds.
func (l *layout) columnBytes() int64 { return l.dotBytes * int64(l.rows) }

// at returns the top left pixel of the dot of the byte at off.
func (l *layout) at(off int64) image.Point {
	dot := off / l.dotBytes
	column, row := dot/int64(l.rows), dot%int64(l.rows)
	return l.plot.Min.Add(image.Pt(int(column)*l.zoomX, int(row)*l.zoomY))
}

// place puts the plot's top left corner on the canvas.
func (l *layout) place(p image.Point) {
	l.plot = image.Rect(0, 0, l.columns*l.zoomX, plotHeight).Add(p)
}
