package render

// rows is the pixelSource of the layouts in which a row of the picture is a
// piece of the data.
type rows struct {
	cells
	w, h   int64
	upward bool // the first row of the data is the lowest of the picture
	pool   *bufferPool
}

// dataRow returns which row of the data is row f of the file, and the step to
// the next one.
func (r *rows) dataRow(f int64) (row, step int64) {
	if r.upward {
		return f, 1
	}
	return r.h - 1 - f, -1
}

func (r *rows) readRow(p []byte, f, x int64) error {
	row, _ := r.dataRow(f)
	return r.fill(p, row*r.w+x)
}

// readRows reads many narrow rows from a source with one call.
func (r *rows) readRows(p []byte, f, stride int64) (int, error) {
	n := min(int64(len(p))/stride, bufferSize/r.w)
	row, step := r.dataRow(f)
	if n < 2 {
		clear(p[r.w:stride])
		return 1, r.fill(p[:r.w], row*r.w)
	}
	buf := r.pool.get()
	defer r.pool.put(buf)
	first := min(row, row+step*(n-1))
	if err := r.fill(buf[:n*r.w], first*r.w); err != nil {
		return 0, err
	}
	for i := range n {
		line := p[i*stride : (i+1)*stride]
		from := (row + step*i - first) * r.w
		clear(line[copy(line, buf[from:from+r.w]):])
	}
	return int(n), nil
}
