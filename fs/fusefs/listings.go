//go:build linux

package fusefs

import (
	"context"

	"github.com/hanwen/go-fuse/v2/fuse"
	lru "github.com/hashicorp/golang-lru/v2"
)

// listings are the directories that were read last, for kernels that do not open directories before they read them, nor
// close them: that saves half of the requests for a small directory. The kernel reads a directory in pieces, and keeps
// the pieces.
type listings struct {
	last   *lru.Cache[uint64, *dir] // by the number of the directory
	forget func(id uint64)          // makes the kernel forget the pieces of a directory
}

// keptListings is how many directories are kept until their next piece is read.
const keptListings = 16

func newListings(forget func(id uint64)) *listings {
	last, _ := lru.New[uint64, *dir](keptListings) // fails for a negative size only
	return &listings{last, forget}
}

// of returns the directory that is read: listed anew where it is read from its beginning. If a read failed while it was
// listed, the kernel must not keep the listing when its end has been read.
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

// Init is called when the kernel has said which features it has. A kernel that can read directories without opening
// them asks only once to open one.
func (t *tree) Init(s *fuse.Server) {
	if s.KernelSettings().Flags64()&fuse.CAP_NO_OPENDIR_SUPPORT != 0 {
		t.listings = newListings(func(id uint64) {
			go s.InodeNotify(id, 0, 0) // not before the present request is answered: the kernel may wait for it
		})
	}
}
