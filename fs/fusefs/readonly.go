//go:build linux

package fusefs

import (
	"context"
	"syscall"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// The mount is ro, and the kernel refuses every change by itself. The methods below
// stand behind it: were the mount made writable (mount -o remount,rw), go-fuse would let
// a missing Unlink pass for success, and answer others as "not supported".

var _ = interface {
	gofs.NodeSetattrer
	gofs.NodeSetxattrer
	gofs.NodeRemovexattrer
	gofs.NodeCreater
	gofs.NodeMkdirer
	gofs.NodeMknoder
	gofs.NodeLinker
	gofs.NodeSymlinker
	gofs.NodeUnlinker
	gofs.NodeRmdirer
	gofs.NodeRenamer
}((*node)(nil))

// Setattr returns EROFS.
func (n *node) Setattr(context.Context, gofs.FileHandle, *fuse.SetAttrIn, *fuse.AttrOut) syscall.Errno {
	return syscall.EROFS
}

// Setxattr returns EROFS.
func (n *node) Setxattr(context.Context, string, []byte, uint32) syscall.Errno { return syscall.EROFS }

// Removexattr returns EROFS.
func (n *node) Removexattr(context.Context, string) syscall.Errno { return syscall.EROFS }

// Create returns EROFS.
func (n *node) Create(context.Context, string, uint32, uint32, *fuse.EntryOut) (*gofs.Inode, gofs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EROFS
}

// Mkdir returns EROFS.
func (n *node) Mkdir(context.Context, string, uint32, *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	return nil, syscall.EROFS
}

// Mknod returns EROFS.
func (n *node) Mknod(context.Context, string, uint32, uint32, *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	return nil, syscall.EROFS
}

// Link returns EROFS.
func (n *node) Link(context.Context, gofs.InodeEmbedder, string, *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	return nil, syscall.EROFS
}

// Symlink returns EROFS.
func (n *node) Symlink(context.Context, string, string, *fuse.EntryOut) (*gofs.Inode, syscall.Errno) {
	return nil, syscall.EROFS
}

// Unlink returns EROFS.
func (n *node) Unlink(context.Context, string) syscall.Errno { return syscall.EROFS }

// Rmdir returns EROFS.
func (n *node) Rmdir(context.Context, string) syscall.Errno { return syscall.EROFS }

// Rename returns EROFS.
func (n *node) Rename(context.Context, string, gofs.InodeEmbedder, string, uint32) syscall.Errno {
	return syscall.EROFS
}
