//go:build linux

package fusefs

import (
	"context"
	iofs "io/fs"
	"math"
	"path"
	"syscall"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"memlens/fs"
)

// dir is an open directory. go-fuse serialises the calls on it.
type dir struct {
	node    *node
	entries []fuse.DirEntry
	next    int
	passing bool // what was listed need not stay as it is
}

var _ = interface {
	gofs.FileReaddirenter
	gofs.FileSeekdirer
}((*dir)(nil))

// Readdirent returns the next entry, or nil at the end.
func (d *dir) Readdirent(context.Context) (*fuse.DirEntry, syscall.Errno) {
	if d.next >= len(d.entries) {
		return nil, gofs.OK
	}
	e := d.entries[d.next]
	d.next++
	e.Off = uint64(d.next)
	return &e, gofs.OK
}

// Seekdir makes the entry that follows the one with offset off the next.
func (d *dir) Seekdir(_ context.Context, off uint64) syscall.Errno {
	if off > math.MaxInt32 || int(off) > len(d.entries) {
		return syscall.EINVAL
	}
	d.next = int(off)
	return gofs.OK
}

// openDir lists a directory, without asking any of its files for its size.
func openDir(ctx context.Context, n *node) (*dir, syscall.Errno) {
	t, p := n.tree, n.path
	before := faults(t.fsys)
	list, err := t.readDir(ctx, p)
	if err != nil {
		return nil, t.errno("list", p, err)
	}
	d := &dir{node: n, passing: faults(t.fsys) != before}
	d.entries = append(make([]fuse.DirEntry, 0, len(list)+2), d.dots()...)
	for _, e := range list {
		d.entries = append(d.entries, dirEntry(p, e))
	}
	return d, gofs.OK
}

// faults returns how many reads below a tree have failed so far, if the tree knows.
func faults(fsys iofs.FS) int64 {
	if f, ok := fsys.(fs.Faulter); ok {
		return f.Faults()
	}
	return 0
}

// dots returns the two entries that io/fs has no use for and ls -a has.
func (d *dir) dots() []fuse.DirEntry {
	self := d.node.StableAttr().Ino
	parent := self
	if _, up := d.node.Parent(); up != nil {
		parent = up.StableAttr().Ino
	}
	return []fuse.DirEntry{
		{Name: ".", Ino: self, Mode: syscall.S_IFDIR},
		{Name: "..", Ino: parent, Mode: syscall.S_IFDIR},
	}
}

// dirEntry returns the entry of a listing, with the number that stat will show.
func dirEntry(parent string, e iofs.DirEntry) fuse.DirEntry {
	var ino uint64
	if i, ok := e.(fs.Inoer); ok {
		ino = i.Ino()
	}
	d := fuse.DirEntry{Name: e.Name(), Mode: syscall.S_IFREG, Ino: safeIno(ino, path.Join(parent, e.Name()))}
	if e.IsDir() {
		d.Mode = syscall.S_IFDIR
	}
	return d
}
