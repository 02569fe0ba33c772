package render

import "io"

// Colorize returns the picture of size bytes of data that forensics-colorize
// draws with the options in g, equal pixel by pixel. Data are read as the
// picture is read; they must be free of holes, and their errors pass through.
//
// It fails where the picture would exceed the limits of a BMP: 2³¹−1 pixels in either direction, 4 GiB in all. No data
// give one white row or column.
//
// The picture has a cache of its own of [DefaultCacheSize]; where many are
// open, let them share one with [Cache.Colorize].
func Colorize(data io.ReaderAt, size int64, g Geometry) (*BMP, error) {
	return NewCache(DefaultCacheSize).Colorize(data, size, g)
}

// Check returns the error that [Colorize] has for so many bytes of data.
func (g Geometry) Check(size int64) error {
	if err := g.check(size); err != nil {
		return err
	}
	_, err := newBMP(g.Bounds(size))
	return err
}

// Colorize is the function [Colorize] within the memory of this cache.
func (c *Cache) Colorize(data io.ReaderAt, size int64, g Geometry) (*BMP, error) {
	if err := g.check(size); err != nil {
		return nil, err
	}
	w, h := g.Bounds(size)
	b, err := newBMP(w, h)
	if err != nil {
		return nil, err
	}
	if src := (cells{data, size}); g.transposed() {
		b.pixels = newColumns(src, w, h, c)
	} else {
		b.pixels = &rows{cells: src, w: w, h: h, upward: g.Reversed && !g.Horizontal, pool: &c.pool}
	}
	return b, nil
}
