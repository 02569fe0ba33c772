package render

import (
	"sync/atomic"

	"memlens/memimage/sparse"
)

// columns is the pixelSource of the layout in which the data run down the
// columns of the picture: its rows are the data turned on their side. Pieces
// of it are turned on demand and held in a cache.
//
// A tile is tileH rows by tileW columns; the columns of a tile are a
// contiguous piece of the data. Where the whole picture fits in the cache's
// band, a tile is as high as the picture and each byte of data is read once.
// Where not, the data are read once per band of tileH rows.
type columns struct {
	cells
	w, h         int64 // of the picture: h is the Geometry's Width
	tileW, tileH int64
	stride       int64 // bytes between rows of a tile
	cache        *Cache
	zero         []atomic.Bool // by column of tiles: its data were all zeros
}

const (
	// tileData is how much of the data a tile is made from, in bytes: the first read of a row costs as much.
	tileData = 1 << 20
	// tileSkew is added to a tile's rows, if they are long, so that the cells of a column do not
	// all fall in the same set of the processor's cache.
	tileSkew = 64
)

func newColumns(data cells, w, h int64, cache *Cache) *columns {
	c := &columns{cells: data, w: w, h: h, cache: cache}
	c.tileH = min(h, max(cache.band()/w, 1))
	c.tileW = min(w, max(tileData/h, 1))
	if c.tileW > 8 {
		c.tileW &^= 7
	}
	c.tileH = min(c.tileH, max(tileData/c.tileW, 1))
	if c.stride = c.tileW; c.tileW >= 8*tileSkew {
		c.stride += tileSkew
	}
	c.zero = make([]atomic.Bool, ceilDiv(w, c.tileW))
	return c
}

// readRow fills p with the cells of file row f from column x on.
func (c *columns) readRow(p []byte, f, x int64) error {
	y := c.h - 1 - f
	row, dy := y/c.tileH, y%c.tileH
	for len(p) > 0 {
		col, dx := x/c.tileW, x%c.tileW
		n := min(c.tileW-dx, int64(len(p)))
		cells, err := c.tile(row, col)
		if err != nil {
			return err
		}
		if cells == nil {
			clear(p[:n])
		} else {
			copy(p[:n], cells[dy*c.stride+dx:])
		}
		p, x = p[n:], x+n
	}
	return nil
}

// tile returns the cells of a tile; nil stands for a tile of zeros.
func (c *columns) tile(row, col int64) ([]byte, error) {
	if c.zero[col].Load() {
		return nil, nil
	}
	return c.cache.get(tileKey{c, row, col}, func() ([]byte, error) {
		return c.draw(row, col)
	})
}

// draw turns one tile; nil stands for a tile of zeros.
func (c *columns) draw(row, col int64) ([]byte, error) {
	x, y := col*c.tileW, row*c.tileH
	w, h := min(c.tileW, c.w-x), min(c.tileH, c.h-y)
	if c.zeros(x*c.h, w*c.h) {
		c.zero[col].Store(true)
		return nil, nil
	}
	out := make([]byte, c.stride*h)
	buf := c.cache.pool.get()
	defer c.cache.pool.put(buf)
	if c.h > bufferSize {
		return out, c.drawTall(out, buf, x, y, w, h)
	}
	zeros, err := c.drawWhole(out, buf, x, y, w, h)
	if zeros && err == nil {
		// Files recovered from memory are largely holes: the next band need
		// not read these again.
		c.zero[col].Store(true)
		return nil, nil
	}
	return out, err
}

// drawWhole turns a tile, reading its columns whole. It reports whether they
// were all zeros.
func (c *columns) drawWhole(out, buf []byte, x, y, w, h int64) (zeros bool, err error) {
	zeros = true
	n := bufferSize / c.h // columns at a time
	for i := int64(0); i < w; i += n {
		m := min(n, w-i)
		part := buf[:m*c.h]
		if err := c.fill(part, (x+i)*c.h); err != nil {
			return false, err
		}
		if sparse.AllZero(part) {
			continue // as out is
		}
		zeros = false
		transpose(out[i:], c.stride, part[y:], c.h, m, h)
	}
	return zeros, nil
}

// drawTall turns a tile of columns too long for the buffer, reading from each only the bytes that it needs.
func (c *columns) drawTall(out, buf []byte, x, y, w, h int64) error {
	for i := range w {
		for j := int64(0); j < h; j += bufferSize {
			m := min(bufferSize, h-j)
			if err := c.fill(buf[:m], (x+i)*c.h+y+j); err != nil {
				return err
			}
			transpose(out[j*c.stride+i:], c.stride, buf, m, 1, m)
		}
	}
	return nil
}
