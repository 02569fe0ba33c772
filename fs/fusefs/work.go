//go:build linux

package fusefs

import (
	"context"
	"io"
	iofs "io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"memlens/fs"
)

// work is the work of the tree for requests. It ends with the request, when the kernel says that the program that asked
// has gone, or with the mount.
type work struct {
	ctx  context.Context
	end  context.CancelFunc
	mmap atomic.Bool // files that are read past the page cache can be mapped, too
}

func newWork() *work {
	ctx, end := context.WithCancel(context.Background())
	return &work{ctx: ctx, end: end}
}

// request is the context of a request: it ends with the request and with the mount. It costs nothing unless somebody waits
// for its end.
type request struct {
	interrupted <-chan struct{}
	mount       context.Context
	ended       chan struct{} // closed when the request is answered

	waited sync.Once
	done   chan struct{}
}

// request returns the context of a request that the kernel interrupts by closing a channel. Its method end must be called
// when the request is answered.
func (w *work) request(interrupted <-chan struct{}) *request {
	return &request{interrupted: interrupted, mount: w.ctx, ended: make(chan struct{})}
}

func (r *request) end() { close(r.ended) }

// Deadline implements [context.Context]: there is none.
func (r *request) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value implements [context.Context]: there are none.
func (r *request) Value(any) any { return nil }

// Done implements [context.Context].
func (r *request) Done() <-chan struct{} {
	r.waited.Do(func() {
		r.done = make(chan struct{})
		go func() {
			select {
			case <-r.interrupted:
			case <-r.mount.Done():
			case <-r.ended:
			}
			close(r.done)
		}()
	})
	return r.done
}

// Err implements [context.Context].
func (r *request) Err() error {
	select {
	case <-r.interrupted:
	case <-r.mount.Done():
	case <-r.ended:
	default:
		return nil
	}
	return context.Canceled
}

// openFlags says how the kernel is to read a file. When the kernel reads ahead into its page cache, it does not say
// when nobody waits for the bytes any more. So while a file that takes long is not made yet, it is read past the cache,
// unless that keeps it from being mapped (it can be mapped from Linux 6.6 on).
func (w *work) openFlags(f iofs.File) uint32 {
	if m, ok := f.(fs.Maker); ok && w.mmap.Load() && m.Making() {
		return fuse.FOPEN_DIRECT_IO
	}
	return fuse.FOPEN_KEEP_CACHE
}

// open opens a file of the tree on behalf of a request.
func (t *tree) open(ctx context.Context, p string) (iofs.File, error) {
	if c, ok := t.fsys.(fs.ContextFS); ok {
		return c.OpenContext(ctx, p)
	}
	return t.fsys.Open(p)
}

// stat describes a file of the tree on behalf of a request.
func (t *tree) stat(ctx context.Context, p string) (iofs.FileInfo, error) {
	if c, ok := t.fsys.(fs.ContextFS); ok {
		return c.StatContext(ctx, p)
	}
	return iofs.Stat(t.fsys, p)
}

// name is stat for a caller that does not ask for the size: where finding the size takes work, sized is false.
func (t *tree) name(ctx context.Context, p string) (info iofs.FileInfo, sized bool, err error) {
	if c, ok := t.fsys.(fs.Namer); ok {
		return c.NameContext(ctx, p)
	}
	info, err = t.stat(ctx, p)
	return info, true, err
}

// readDir lists a directory of the tree on behalf of a request.
func (t *tree) readDir(ctx context.Context, p string) ([]iofs.DirEntry, error) {
	if c, ok := t.fsys.(fs.ContextFS); ok {
		return c.ReadDirContext(ctx, p)
	}
	return iofs.ReadDir(t.fsys, p)
}

// readAt reads an open file on behalf of a request.
func readAt(ctx context.Context, r io.ReaderAt, p []byte, off int64) (int, error) {
	if c, ok := r.(fs.ContextReaderAt); ok {
		return c.ReadAtContext(ctx, p, off)
	}
	return r.ReadAt(p, off)
}
