//go:build linux

package fusefs

import (
	"context"

	"github.com/hanwen/go-fuse/v2/fuse"
	lru "github.com/hashicorp/golang-lru/v2"
)

// listings are the directories that were read last, where the kernel does not open directories before it reads them, nor
// close them: that takes half of the requests for a small one. It reads them in pieces, and keeps what it has read.
type listings struct {
	last   *lru.Cache[uint64, *dir] // by the number of the directory
	forget func(id uint64)          // makes the kernel forget what it keeps of a directory
}

// keptListings is how many directories are kept for the next piece of them.
const keptListings = 16

func newListings(forget func(id uint64)) *listings {
	last, _ := lru.New[uint64, *dir](keptListings) // fails for a negative size only
	return &listings{last, forget}
}

// of returns the directory that is read: listed anew where it is read from its beginning. When its end has been read, the
// kernel must not keep what leaned on a read that failed.
func (l *listings) of(ctx context.Context, t *tree, n node, in *fuse.ReadIn) (*dir, fuse.Status) {
	d, known := l.last.Get(in.NodeId)
	if !known || in.Offset == 0 {
		var errno fuse.Status
		if d, errno = l.list(ctx, t, n); errno != fuse.OK {
			return nil, errno
		}
		l.last.Add(in.NodeId, d)
	}
	if d.passing && in.Offset >= d.end() {
		l.last.Remove(in.NodeId)
		l.forget(in.NodeId)
	}
	return d, fuse.OK
}

func (l *listings) list(ctx context.Context, t *tree, n node) (*dir, fuse.Status) {
	d, errno := openDir(ctx, t, n)
	return d, fuse.Status(errno)
}

// Init is called when the kernel has said what it can do. One that knows of directories that are not opened does not ask
// twice to open one.
func (t *tree) Init(s *fuse.Server) {
	if s.KernelSettings().Flags64()&fuse.CAP_NO_OPENDIR_SUPPORT != 0 {
		t.listings = newListings(func(id uint64) {
			go s.InodeNotify(id, 0, 0) // not before the request at hand is answered: it may be what the kernel waits for
		})
	}
}
