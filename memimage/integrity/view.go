package integrity

import (
	"io"

	"memlens/memimage/sparse"
)

// view is an image by RVA, made of pages that are found one by one.
type view struct {
	find func(rva uint32) (Page, error)
	size int64
}

// Size implements [sparse.Source].
func (v *view) Size() int64 { return v.size }

// ReadAt implements [sparse.Source].
func (v *view) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		at := off + int64(done)
		if at < 0 || at >= v.size {
			return done, io.EOF
		}
		n := int(min(int64(len(p)-done), pageSize-at%pageSize))
		page, err := v.find(uint32(at) &^ (pageSize - 1))
		if err != nil {
			return done, v.gap(at, err)
		}
		got, err := page.Src.ReadAt(p[done:done+n], page.Off+at%pageSize)
		if done += got; got < n {
			return done, v.gap(at+int64(got), err)
		}
	}
	return done, nil
}

// Probe implements [sparse.Source].
func (v *view) Probe(off int64) (int64, error) {
	if off < 0 || off >= v.size {
		return 0, io.EOF
	}
	n := pageSize - off%pageSize
	page, err := v.find(uint32(off) &^ (pageSize - 1))
	if err != nil {
		return n, v.gap(off, err)
	}
	m, err := page.Src.Probe(page.Off + off%pageSize)
	if err != nil {
		err = v.gap(off, err)
	}
	return max(1, min(n, m)), err
}

// gap makes a hole up to the end of the page from the error at off; a read that failed stays a failed read.
func (v *view) gap(off int64, err error) error {
	if sparse.Failed(err) {
		return err
	}
	return &sparse.HoleError{Off: off, Len: pageSize - off%pageSize, Err: why(err)}
}

// why returns the reason of a hole, without the offsets of the readers in which it was met.
func why(err error) error {
	if cause := sparse.Cause(err); cause != nil {
		return cause
	}
	return err
}
