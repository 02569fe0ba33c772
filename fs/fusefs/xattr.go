//go:build linux

package fusefs

import (
	iofs "io/fs"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"

	"memlens/fs"
)

// GetXAttr copies the value of an extended attribute to dest and returns its length. A dest that is too short gets
// ERANGE and the length that is needed. There are no labels and no ACLs. The answer for them is "not supported":
// otherwise "ls -l" asks three times for each file.
func (t *tree) GetXAttr(cancel <-chan struct{}, h *fuse.InHeader, attr string, dest []byte) (uint32, fuse.Status) {
	if !strings.HasPrefix(attr, "user.") {
		return 0, fuse.ENOTSUP
	}
	value, found := []byte(nil), false
	status := t.withXattrs(cancel, h, func(x fs.Xattrer) { value, found = x.Xattr(attr) })
	switch {
	case status != fuse.OK:
		return 0, status
	case !found:
		return 0, fuse.ENODATA
	}
	return copyOut(dest, value)
}

// ListXAttr copies the names to dest, each ended by a zero byte.
func (t *tree) ListXAttr(cancel <-chan struct{}, h *fuse.InHeader, dest []byte) (uint32, fuse.Status) {
	var list []byte
	status := t.withXattrs(cancel, h, func(x fs.Xattrer) {
		for _, name := range x.Xattrs() {
			list = append(append(list, name...), 0)
		}
	})
	if status != fuse.OK {
		return 0, status
	}
	return copyOut(dest, list)
}

// withXattrs calls use if the file that a request is about has extended attributes.
func (t *tree) withXattrs(cancel <-chan struct{}, h *fuse.InHeader, use func(fs.Xattrer)) fuse.Status {
	n, status := t.node(h)
	if status != fuse.OK {
		return status
	}
	r := t.work.request(cancel)
	defer r.end()
	p := t.nodes.path(n)
	f, err := t.open(r, p)
	if err != nil {
		return fuse.Status(t.errno("open", p, err))
	}
	defer closeQuietly(f)
	reads := t.watchReads()
	if x, ok := f.(fs.Xattrer); ok {
		use(x)
	}
	return fuse.Status(t.errno("read an attribute", p, reads.failed()))
}

// closeQuietly closes a file that was only looked at.
func closeQuietly(f iofs.File) { _ = f.Close() }

func copyOut(dest, value []byte) (uint32, fuse.Status) {
	if len(dest) < len(value) {
		return uint32(len(value)), fuse.ERANGE
	}
	return uint32(copy(dest, value)), fuse.OK
}
