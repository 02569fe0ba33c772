package sparse

import (
	"io"
	"iter"
)

// probe asks s about offset off of its first end bytes.
func probe(s Source, off, end int64) (int64, error) {
	if off >= end {
		return 0, io.EOF
	}
	n, err := s.Probe(off)
	return min(n, end-off), err
}

// Probe implements [Source] through the sources of the extents.
func (r *Reader) Probe(off int64) (int64, error) {
	if err := checkOffset(off); err != nil {
		return 0, err
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
	n, err := probe(e.Src, e.SrcOff+off-e.Off, e.SrcOff+e.Len)
	if err == nil {
		return n, nil
	}
	err = e.sourceError(err, off)
	if n = gapLen(err); n == 0 {
		n = 1
	}
	return n, err
}

// FirstHole returns the first of the n bytes of s from off on that cannot be read, and the reason: a [Gap], [io.EOF]
// or a *[ReadError]. The error is nil when all can be read.
func FirstHole(s Source, off, n int64) (int64, error) {
	for end := off + n; off < end; {
		m, err := s.Probe(off)
		if err != nil {
			return off, err
		}
		off += max(m, 1)
	}
	return off, nil
}

// Run is a stretch of a source that is readable (Err is nil) or a hole (Err, a [Gap], says why). Off and Len are in
// bytes.
type Run struct {
	Off, Len int64
	Err      error
}

// End returns the offset of the first byte behind the run.
func (r Run) End() int64 { return r.Off + r.Len }

// Runs yields the runs of s in order. Readable neighbours are joined to a single run. The error is a *[ReadError]; it
// ends the runs, for the state of the bytes behind it is not known.
func Runs(s Source) iter.Seq2[Run, error] {
	return func(yield func(Run, error) bool) {
		var data Run // pending readable run
		for off, size := int64(0), s.Size(); off < size; {
			n, err := s.Probe(off)
			n = min(max(n, 1), size-off)
			if err == nil {
				if data.Len == 0 {
					data.Off = off
				}
				data.Len += n
				off += n
				continue
			}
			if data.Len > 0 && !yield(data, nil) {
				return
			}
			data = Run{}
			if !IsHole(err) {
				yield(Run{Off: off}, err)
				return
			}
			if !yield(Run{Off: off, Len: n, Err: err}, nil) {
				return
			}
			off += n
		}
		if data.Len > 0 {
			yield(data, nil)
		}
	}
}

// Present returns how many bytes of s can be read. The error is a *[ReadError].
func Present(s Source) (int64, error) {
	var n int64
	for run, err := range Runs(s) {
		if err != nil {
			return n, err
		}
		if run.Err == nil {
			n += run.Len
		}
	}
	return n, nil
}

// NextData returns the offset of the first readable byte of s at or behind off, as SEEK_DATA does; [io.EOF] when there
// is none, or a *[ReadError].
func NextData(s Source, off int64) (int64, error) {
	return next(s, off, func(err error) bool { return err == nil })
}

// NextHole returns the offset of the first missing byte of s at or behind off, as SEEK_HOLE does: the size when there
// is none, [io.EOF] when off is not below it. It may return a *[ReadError].
func NextHole(s Source, off int64) (int64, error) {
	if off >= s.Size() {
		return 0, io.EOF
	}
	hole, err := next(s, off, IsHole)
	if err == io.EOF {
		return s.Size(), nil
	}
	return hole, err
}

func next(s Source, off int64, want func(error) bool) (int64, error) {
	if err := checkOffset(off); err != nil {
		return 0, err
	}
	for size := s.Size(); off < size; {
		n, err := s.Probe(off)
		if want(err) {
			return off, nil
		}
		if err != nil && !IsHole(err) {
			return 0, err
		}
		off += max(n, 1)
	}
	return 0, io.EOF
}
