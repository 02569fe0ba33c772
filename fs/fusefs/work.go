//go:build linux

package fusefs

import (
	"context"
	"io"
	iofs "io/fs"
	"sync/atomic"

	"github.com/hanwen/go-fuse/v2/fuse"

	"memlens/fs"
)

// work is what requests may make the tree do, and how it ends: with the request, when the kernel says that whoever
// asked has gone, or with the mount.
type work struct {
	ctx  context.Context
	end  context.CancelFunc
	mmap atomic.Bool // files that are read past the page cache can be mapped, too
}

func newWork() *work {
	ctx, end := context.WithCancel(context.Background())
	return &work{ctx: ctx, end: end}
}

// within returns a context that ends with a request and with the mount. done must be called when the request is answered.
func (w *work) within(request context.Context) (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancel(request)
	stop := context.AfterFunc(w.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// openFlags says how the kernel is to read a file. It reads ahead on its own account into the page cache, and does not
// say that nobody waits for that any more; so what takes long to make is read past the cache while it is not made, where
// that does not keep it from being mapped (Linux 6.6 and later).
func (w *work) openFlags(f iofs.File) uint32 {
	if m, ok := f.(fs.Maker); ok && w.mmap.Load() && m.Making() {
		return fuse.FOPEN_DIRECT_IO
	}
	return fuse.FOPEN_KEEP_CACHE
}

// open opens a file of the tree on behalf of a request.
func (t *tree) open(request context.Context, p string) (iofs.File, error) {
	if c, ok := t.fsys.(fs.ContextFS); ok {
		ctx, done := t.work.within(request)
		defer done()
		return c.OpenContext(ctx, p)
	}
	return t.fsys.Open(p)
}

// stat describes a file of the tree on behalf of a request.
func (t *tree) stat(request context.Context, p string) (iofs.FileInfo, error) {
	if c, ok := t.fsys.(fs.ContextFS); ok {
		ctx, done := t.work.within(request)
		defer done()
		return c.StatContext(ctx, p)
	}
	return iofs.Stat(t.fsys, p)
}

// readDir lists a directory of the tree on behalf of a request.
func (t *tree) readDir(request context.Context, p string) ([]iofs.DirEntry, error) {
	if c, ok := t.fsys.(fs.ContextFS); ok {
		ctx, done := t.work.within(request)
		defer done()
		return c.ReadDirContext(ctx, p)
	}
	return iofs.ReadDir(t.fsys, p)
}

// readAt reads an open file on behalf of a request.
func (t *tree) readAt(request context.Context, r io.ReaderAt, p []byte, off int64) (int, error) {
	if c, ok := r.(fs.ContextReaderAt); ok {
		ctx, done := t.work.within(request)
		defer done()
		return c.ReadAtContext(ctx, p, off)
	}
	return r.ReadAt(p, off)
}
