//go:build linux

package fusefs

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"memlens/fs"
)

// file is an open regular file. The kernel reads it from several threads at a time and
// releases it once, after the last read.
type file struct {
	tree   *tree
	path   string
	size   int64
	f      iofs.File
	reader io.ReaderAt
}

func openFile(ctx context.Context, t *tree, p string) (*file, error) {
	f, err := t.open(ctx, p)
	if err != nil {
		return nil, err
	}
	size, err := sizeOf(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	r, ok := f.(io.ReaderAt)
	if !ok {
		f.Close()
		return nil, fmt.Errorf("fusefs: %s: %T cannot be read at an offset", p, f)
	}
	return &file{tree: t, path: p, size: size, f: f, reader: r}, nil
}

// sizeOf returns the size of an open file.
func sizeOf(f iofs.File) (int64, error) {
	if s, ok := f.(fs.Sizer); ok {
		return s.Size(), nil
	}
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}

// Read reads an open file.
func (t *tree) Read(cancel <-chan struct{}, in *fuse.ReadIn, dest []byte) (fuse.ReadResult, fuse.Status) {
	f := t.files.get(in.Fh)
	if f == nil {
		return nil, fuse.EBADF
	}
	r := t.work.request(cancel)
	defer r.end()
	data, errno := f.read(r, dest, int64(in.Offset))
	if errno != 0 {
		return nil, fuse.Status(errno)
	}
	return fuse.ReadResultData(data), fuse.OK
}

// read fills dest up to the end of the file, or fails: the kernel takes a short answer for the end of the file, and
// would show zeros for the rest.
func (f *file) read(ctx context.Context, dest []byte, off int64) ([]byte, syscall.Errno) {
	if off < 0 || off >= f.size {
		return nil, 0
	}
	dest = dest[:min(int64(len(dest)), f.size-off)]
	n, err := readAt(ctx, f.reader, dest, off)
	if n < len(dest) {
		return nil, f.readError(off, n, err)
	}
	return dest, 0
}

// readError reports a read that came back short. Whatever the cause, for a reader of a file that could be opened it is
// an I/O error, unless work was ended.
func (f *file) readError(off int64, n int, err error) syscall.Errno {
	if errors.Is(err, context.Canceled) {
		return f.tree.errno("read", f.path, err)
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	f.tree.damage.report("read", f.path, fmt.Errorf("at %#x: %w", off+int64(n), err))
	return syscall.EIO
}

// Lseek finds the next data or the next hole of an open file.
func (t *tree) Lseek(_ <-chan struct{}, in *fuse.LseekIn, out *fuse.LseekOut) fuse.Status {
	f := t.files.get(in.Fh)
	if f == nil {
		return fuse.EBADF
	}
	off, errno := f.lseek(in.Offset, in.Whence)
	out.Offset = off
	return fuse.Status(errno)
}

// lseek finds the next data or the next hole from off. A file that knows of no holes is
// all data, with the hole that every file has at its end.
func (f *file) lseek(off uint64, whence uint32) (uint64, syscall.Errno) {
	if off >= uint64(max(f.size, 0)) {
		return 0, syscall.ENXIO
	}
	next, err := f.seek(int64(off), whence)
	switch {
	case errors.Is(err, io.EOF):
		return 0, syscall.ENXIO
	case errors.Is(err, errors.ErrUnsupported):
		return 0, syscall.EINVAL
	case err != nil:
		return 0, f.tree.errno("seek", f.path, err)
	}
	return uint64(min(next, f.size)), 0
}

func (f *file) seek(off int64, whence uint32) (int64, error) {
	h, ok := f.f.(fs.Holer)
	switch whence {
	case unix.SEEK_DATA:
		if !ok {
			return off, nil
		}
		return h.NextData(off)
	case unix.SEEK_HOLE:
		if !ok {
			return f.size, nil
		}
		next, err := h.NextHole(off)
		if errors.Is(err, io.EOF) {
			return f.size, nil
		}
		return next, err
	}
	return 0, errors.ErrUnsupported
}

// Release closes an open file.
func (t *tree) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	if f := t.files.remove(in.Fh); f != nil {
		f.close()
	}
}

// close closes the file of the tree.
func (f *file) close() { f.tree.errno("close", f.path, f.f.Close()) }
