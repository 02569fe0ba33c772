package sparse

import (
	"fmt"
	"io"
	"iter"
)

// Prober is a reader that tells what can be read without reading it. From off, n bytes (at least 1) are alike: they
// can be read when err is nil, and otherwise err, a [Gap], says why they cannot. At or behind the end err is [io.EOF].
type Prober interface {
	Probe(off int64) (n int64, err error)
}

// Probe asks r, of size bytes, about offset off. A reader that is no [Prober] has no holes.
func Probe(r io.ReaderAt, off, size int64) (int64, error) {
	if off >= size {
		return 0, io.EOF
	}
	p, ok := r.(Prober)
	if !ok {
		return size - off, nil
	}
	n, err := p.Probe(off)
	return min(n, size-off), err
}

// Probe implements [Prober] through the sources of the extents.
func (r *Reader) Probe(off int64) (int64, error) {
	if off < 0 {
		return 0, fmt.Errorf("sparse: negative offset %d", off)
	}
	if off >= r.size {
		return 0, io.EOF
	}
	i := r.at(off)
	if i == len(r.extents) || r.extents[i].Off > off {
		h := r.hole(i, off)
		return h.Len, h
	}
	e := r.extents[i]
	n, err := Probe(e.Src, e.SrcOff+off-e.Off, e.SrcOff+e.Len)
	if err == nil {
		return n, nil
	}
	err = e.sourceError(err, off)
	if n = gapLen(err); n == 0 {
		n = e.End() - off
	}
	return n, err
}

// Run is a stretch of a reader that is readable (Err is nil) or not (Err says why). Off and Len are in bytes.
type Run struct {
	Off, Len int64
	Err      error
}

// End returns the offset of the first byte behind the run.
func (r Run) End() int64 { return r.Off + r.Len }

// Runs yields the runs of the first size bytes of r in order, without reading them. Neighbours that are both readable
// come as one.
func Runs(r io.ReaderAt, size int64) iter.Seq[Run] {
	return func(yield func(Run) bool) {
		var data Run // pending readable run
		for off := int64(0); off < size; {
			n, err := Probe(r, off, size)
			n = max(n, 1)
			if err == nil {
				if data.Len == 0 {
					data.Off = off
				}
				data.Len += n
				off += n
				continue
			}
			if data.Len > 0 && !yield(data) {
				return
			}
			data = Run{}
			if !yield(Run{Off: off, Len: n, Err: err}) {
				return
			}
			off += n
		}
		if data.Len > 0 {
			yield(data)
		}
	}
}

// Present returns how many of the first size bytes of r can be read.
func Present(r io.ReaderAt, size int64) int64 {
	var n int64
	for run := range Runs(r, size) {
		if run.Err == nil {
			n += run.Len
		}
	}
	return n
}

// NextData returns the offset of the first readable byte at or behind off, as SEEK_DATA does; [io.EOF] when there is none.
func NextData(r io.ReaderAt, off, size int64) (int64, error) {
	return next(r, off, size, func(err error) bool { return err == nil })
}

// NextHole returns the offset of the first unreadable byte at or behind off, as SEEK_HOLE does: size when there is
// none, [io.EOF] when off is not below size.
func NextHole(r io.ReaderAt, off, size int64) (int64, error) {
	if off >= size {
		return 0, io.EOF
	}
	hole, err := next(r, off, size, func(err error) bool { return err != nil })
	if err == io.EOF {
		return size, nil
	}
	return hole, err
}

func next(r io.ReaderAt, off, size int64, want func(error) bool) (int64, error) {
	if off < 0 {
		return 0, fmt.Errorf("sparse: negative offset %d", off)
	}
	for off < size {
		n, err := Probe(r, off, size)
		if want(err) {
			return off, nil
		}
		off += max(n, 1)
	}
	return 0, io.EOF
}
