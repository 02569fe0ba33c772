package render

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// Difference returns the picture of two files byte by byte: green where they
// are equal, red where not, white past the end of the shorter. It equals
// "filecompare -b 1 REFERENCE RECOVERED" drawn by colorize with the options
// in g, pixel by pixel. That includes the tool's habit of noticing the end of
// a file one cell late: the cell after the shorter file's last compares with
// a zero, and there is one cell more than the longer file has bytes.
//
// Errors are the errors of [Colorize].
func Difference(reference, recovered io.ReaderAt, refSize, recSize int64, g Geometry) (*BMP, error) {
	return NewCache(DefaultCacheSize).Difference(reference, recovered, refSize, recSize, g)
}

// Difference is the function [Difference] within the memory of this cache.
func (c *Cache) Difference(reference, recovered io.ReaderAt, refSize, recSize int64, g Geometry) (*BMP, error) {
	if refSize < 0 || recSize < 0 || refSize == math.MaxInt64 || recSize == math.MaxInt64 {
		return nil, fmt.Errorf("render: sizes %d and %d cannot be compared", refSize, recSize)
	}
	d := &difference{a: reference, b: recovered, aSize: refSize, bSize: recSize, pool: &c.pool}
	return c.Colorize(d, d.size(), g)
}

// difference reads as the output of filecompare -b 1.
type difference struct {
	a, b         io.ReaderAt
	aSize, bSize int64
	pool         *bufferPool
}

func (d *difference) size() int64 { return max(d.aSize, d.bSize) + 1 }

// ReadAt reads within the size only: cells clips each request.
func (d *difference) ReadAt(p []byte, off int64) (int, error) {
	buf := d.pool.get()
	defer d.pool.put(buf)
	for n := 0; n < len(p); {
		m := min(len(p)-n, len(buf))
		if err := d.compare(p[n:n+m], buf[:m], off+int64(n)); err != nil {
			return n, err
		}
		n += m
	}
	return len(p), nil
}

// compare fills p with the cells from off on; buf is as long as p.
func (d *difference) compare(p, buf []byte, off int64) error {
	short := min(d.aSize, d.bSize)
	both := int(min(max(short+1-off, 0), int64(len(p))))
	for i := range p[both:] {
		p[both+i] = cellBeyond
	}
	p, buf = p[:both], buf[:both]
	if err := readZeroPadded(d.a, p, off, d.aSize); err != nil {
		return err
	}
	if err := readZeroPadded(d.b, buf, off, d.bSize); err != nil {
		return err
	}
	markChanges(p, buf)
	return nil
}

// markChanges replaces each byte of p by the cell of its comparison with b,
// which is as long.
func markChanges(p, b []byte) {
	const (
		low  = 0x0101010101010101
		high = low << 7
	)
	ne := binary.NativeEndian
	for ; len(p) >= 8; p, b = p[8:], b[8:] {
		x := ne.Uint64(p) ^ ne.Uint64(b)
		changed := (x&^high + (high - low) | x) >> 7 & low // 1 in each byte that differs
		ne.PutUint64(p, cellEqual*low|changed*(cellChanged-cellEqual))
	}
	for i := range p {
		if p[i] == b[i] {
			p[i] = cellEqual
		} else {
			p[i] = cellChanged
		}
	}
}

// readZeroPadded fills p from off on with the data's bytes, then zeros.
func readZeroPadded(r io.ReaderAt, p []byte, off, size int64) error {
	n := int(min(max(size-off, 0), int64(len(p))))
	clear(p[n:])
	if n == 0 {
		return nil
	}
	return readFull(r, p[:n], off)
}
