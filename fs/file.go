package fs

import (
	"context"
	"fmt"
	"io"
	iofs "io/fs"
	"sync/atomic"

	"memlens/memimage/sparse"
)

// openFile is an open regular file.
type openFile struct {
	node node
	body *body
	pos  int64
	// needed is the end of the range that was asked for ahead, where the image's bytes come late.
	needed atomic.Int64
}

// aheadBytes is how much of a file is asked for ahead of its reader.
const aheadBytes = 1 << 20

// need asks for the bytes behind the place that is read, where they come late: pages that are neighbours in a file are
// anywhere in the image.
func (f *openFile) need(off, n int64) {
	if f.body.strict == nil || !sparse.IsLate(f.body.strict) {
		return
	}
	from, needed := off, f.needed.Load()
	if off <= needed && off+n > needed-aheadBytes {
		if from = needed; off+n < needed-aheadBytes/2 {
			return
		}
	}
	until := min(off+n+aheadBytes, f.body.Size())
	f.needed.Store(until)
	sparse.WillNeed(f.body.strict, from, until-from)
}

var _ interface {
	io.ReaderAt
	io.ReadSeekCloser
	Xattrer
	Holer
	ContextReaderAt
	Maker
	Sizer
} = (*openFile)(nil)

func (f *openFile) Stat() (iofs.FileInfo, error) { return infoOf(f.node, f.body), nil }
func (f *openFile) Close() error                 { return f.body.Close() }

// Size implements [Sizer].
func (f *openFile) Size() int64 { return f.body.Size() }

// ReadAt implements [io.ReaderAt]: it fills all of p, except at the end of the file.
func (f *openFile) ReadAt(p []byte, off int64) (int, error) {
	return f.ReadAtContext(context.Background(), p, off)
}

// ReadAtContext implements [ContextReaderAt].
func (f *openFile) ReadAtContext(ctx context.Context, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, &iofs.PathError{Op: "read", Path: f.node.path(), Err: iofs.ErrInvalid}
	}
	rest := f.body.Size() - off
	if rest <= 0 {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	var end error
	if int64(len(p)) > rest {
		p, end = p[:rest], io.EOF
	}
	f.need(off, int64(len(p)))
	n, err := f.body.readAt(ctx, p, off)
	if n == len(p) {
		return n, end
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, &iofs.PathError{Op: "read", Path: f.node.path(), Err: err}
}

// Making implements [Maker].
func (f *openFile) Making() bool {
	l, ok := f.body.Content.(*later)
	return ok && !l.isMade()
}

func (f *openFile) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.pos)
	f.pos += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

func (f *openFile) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.pos
	case io.SeekEnd:
		offset += f.body.Size()
	}
	if offset < 0 {
		return 0, &iofs.PathError{Op: "seek", Path: f.node.path(), Err: iofs.ErrInvalid}
	}
	f.pos = offset
	return offset, nil
}

// Xattrs implements [Xattrer].
func (f *openFile) Xattrs() []string {
	var names []string
	for _, x := range f.xattrs() {
		names = append(names, x.name)
	}
	if f.body.late != nil {
		names = append(names, f.body.late.name)
	}
	return names
}

// Xattr implements [Xattrer].
func (f *openFile) Xattr(name string) ([]byte, bool) {
	if late := f.body.late; late != nil && late.name == name {
		value, ok := late.value()
		return []byte(value), ok
	}
	for _, x := range f.xattrs() {
		if x.name == name {
			return []byte(x.value), true
		}
	}
	return nil, false
}

func (f *openFile) xattrs() []xattr {
	if f.body.xattrs == nil {
		return nil
	}
	return f.body.xattrs()
}

// NextData implements [Holer].
func (f *openFile) NextData(off int64) (int64, error) {
	if f.body.strict == nil {
		return f.whole(off, off)
	}
	return sparse.NextData(f.body.strict, off)
}

// NextHole implements [Holer].
func (f *openFile) NextHole(off int64) (int64, error) {
	if f.body.strict == nil {
		return f.whole(off, f.body.Size())
	}
	return sparse.NextHole(f.body.strict, off)
}

// whole answers for a file without holes.
func (f *openFile) whole(off, answer int64) (int64, error) {
	switch {
	case off < 0:
		return 0, fmt.Errorf("fs: negative offset %d", off)
	case off >= f.body.Size():
		return 0, io.EOF
	}
	return answer, nil
}
