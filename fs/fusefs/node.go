//go:build linux

package fusefs

import (
	"context"
	iofs "io/fs"
	"path"
	"syscall"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"memlens/fs"
)

// tree is what all nodes of a mount share.
type tree struct {
	fsys     iofs.FS
	uid, gid uint32
	damage   damageLog
	work     *work
}

func newTree(fsys iofs.FS, o Options) *tree {
	return &tree{fsys: fsys, uid: o.UID, gid: o.GID, damage: damageLog{logger: o.Logger}, work: newWork()}
}

// node is a file or directory that the kernel knows. It holds nothing but its place:
// go-fuse keeps the first node it is given for an inode number and drops later ones, and
// forgets nodes as the kernel does.
type node struct {
	gofs.Inode
	tree *tree
	path string // as io/fs spells it; "." for the root
}

var _ = interface {
	gofs.NodeLookuper
	gofs.NodeGetattrer
	gofs.NodeStatxer
	gofs.NodeStatfser
	gofs.NodeOpener
	gofs.NodeOpendirHandler
	gofs.NodeGetxattrer
	gofs.NodeListxattrer
}((*node)(nil))

// Lookup finds a child by asking the tree itself, so that names which no listing shows
// can be opened too.
func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	p := path.Join(n.path, name)
	if !iofs.ValidPath(p) { // not UTF-8: the tree has no such names
		return nil, syscall.ENOENT
	}
	fi, err := n.tree.stat(ctx, p)
	if err != nil {
		return nil, n.tree.errno("look up", p, err)
	}
	n.tree.fillAttr(&out.Attr, p, fi)
	child := &node{tree: n.tree, path: p}
	return n.NewInode(ctx, child, gofs.StableAttr{Mode: out.Attr.Mode & syscall.S_IFMT, Ino: out.Attr.Ino}), gofs.OK
}

// Getattr fills in what stat(2) shows.
func (n *node) Getattr(ctx context.Context, _ gofs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	fi, err := n.tree.stat(ctx, n.path)
	if err != nil {
		return n.tree.errno("stat", n.path, err)
	}
	n.tree.fillAttr(&out.Attr, n.path, fi)
	return gofs.OK
}

// Statx fills in what statx(2) shows: what stat does, and the time of creation.
func (n *node) Statx(ctx context.Context, _ gofs.FileHandle, _, _ uint32, out *fuse.StatxOut) syscall.Errno {
	fi, err := n.tree.stat(ctx, n.path)
	if err != nil {
		return n.tree.errno("stat", n.path, err)
	}
	n.tree.fillStatx(&out.Statx, n.path, fi)
	return gofs.OK
}

// Statfs fills in what df shows. There is never room for more.
func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	out.Bsize, out.Frsize, out.NameLen = blockSize, blockSize, 255
	if s, ok := n.tree.fsys.(fs.Statfser); ok {
		info := s.Statfs()
		out.Blocks, out.Files = info.Blocks, info.Files
		if info.BlockSize != 0 {
			out.Bsize, out.Frsize = info.BlockSize, info.BlockSize
		}
	}
	return gofs.OK
}

// Open opens a regular file. Its bytes never change, so the kernel may keep those that it
// has from an earlier opening.
func (n *node) Open(ctx context.Context, flags uint32) (gofs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		return nil, 0, syscall.EROFS
	}
	f, err := openFile(ctx, n.tree, n.path)
	if err != nil {
		return nil, 0, n.tree.errno("open", n.path, err)
	}
	return f, n.tree.work.openFlags(f.f), gofs.OK
}

// OpendirHandle opens a directory, whose listing the kernel may keep as well: unless it leaned on a read that failed.
func (n *node) OpendirHandle(ctx context.Context, _ uint32) (gofs.FileHandle, uint32, syscall.Errno) {
	d, errno := openDir(ctx, n)
	if errno != gofs.OK {
		return nil, 0, errno
	}
	if d.passing {
		return d, 0, gofs.OK
	}
	return d, fuse.FOPEN_CACHE_DIR | fuse.FOPEN_KEEP_CACHE, gofs.OK
}
