//go:build linux

package fusefs

import (
	"context"
	iofs "io/fs"
	"strings"
	"syscall"

	gofs "github.com/hanwen/go-fuse/v2/fs"

	"memlens/fs"
)

// Getxattr copies the value of an extended attribute to dest and returns its length. A
// dest that is too short gets ERANGE and the length that is needed.
func (n *node) Getxattr(_ context.Context, attr string, dest []byte) (uint32, syscall.Errno) {
	if !strings.HasPrefix(attr, "user.") { // labels and ACLs, asked for all the time
		return 0, syscall.ENODATA
	}
	value, found := []byte(nil), false
	errno := n.withXattrs(func(x fs.Xattrer) { value, found = x.Xattr(attr) })
	switch {
	case errno != gofs.OK:
		return 0, errno
	case !found:
		return 0, syscall.ENODATA
	}
	return copyOut(dest, value)
}

// Listxattr copies the names to dest, each ended by a zero byte.
func (n *node) Listxattr(_ context.Context, dest []byte) (uint32, syscall.Errno) {
	var list []byte
	errno := n.withXattrs(func(x fs.Xattrer) {
		for _, name := range x.Xattrs() {
			list = append(append(list, name...), 0)
		}
	})
	if errno != gofs.OK {
		return 0, errno
	}
	return copyOut(dest, list)
}

// withXattrs calls use if the file has extended attributes.
func (n *node) withXattrs(use func(fs.Xattrer)) syscall.Errno {
	f, err := n.tree.fsys.Open(n.path)
	if err != nil {
		return n.tree.errno("open", n.path, err)
	}
	defer closeQuietly(f)
	if x, ok := f.(fs.Xattrer); ok {
		use(x)
	}
	return gofs.OK
}

// closeQuietly closes a file that was only looked at.
func closeQuietly(f iofs.File) { _ = f.Close() }

func copyOut(dest, value []byte) (uint32, syscall.Errno) {
	if len(dest) < len(value) {
		return uint32(len(value)), syscall.ERANGE
	}
	return uint32(copy(dest, value)), gofs.OK
}
