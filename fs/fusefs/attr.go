//go:build linux

package fusefs

import (
	"hash/fnv"
	iofs "io/fs"
	"math"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"memlens/fs"
)

const (
	blockSize = 4096 // the preferred size of a read in stat, and the block in statfs
	sector    = 512  // the unit of st_blocks
	rootIno   = fuse.FUSE_ROOT_ID
)

// fillAttr sets the attributes of the file at p.
func (t *tree) fillAttr(out *fuse.Attr, p string, fi iofs.FileInfo) {
	a := attrOf(p, fi)
	out.Ino = a.Ino
	out.Mode = mode(fi)
	out.Size = uint64(max(fi.Size(), 0))
	if fi.IsDir() {
		out.Size = blockSize // file managers of KDE take a directory without a size for one that is not mounted
	}
	out.Blocks = uint64(max(a.Blocks, 0))
	out.Blksize = blockSize
	out.Nlink = 1 // of directories too: "not counted", as on btrfs; 2 would say that there are no subdirectories
	out.Owner = fuse.Owner{Uid: t.uid, Gid: t.gid}
	mtime := fileTime(fi.ModTime())
	out.SetTimes(&mtime, &mtime, &mtime)
}

// fillStatx sets the fields that fillAttr sets, and the time of creation where there is one.
func (t *tree) fillStatx(out *fuse.Statx, p string, fi iofs.FileInfo) {
	var attr fuse.Attr
	t.fillAttr(&attr, p, fi)
	out.Mask = unix.STATX_BASIC_STATS
	out.Ino, out.Mode, out.Nlink = attr.Ino, uint16(attr.Mode), attr.Nlink
	out.Size, out.Blocks, out.Blksize = attr.Size, attr.Blocks, attr.Blksize
	out.Uid, out.Gid = t.uid, t.gid
	out.Mtime = statxTime(fi.ModTime())
	out.Atime, out.Ctime = out.Mtime, out.Mtime
	if birth := attrOf(p, fi).Birth; !birth.IsZero() {
		out.Btime = statxTime(birth)
		out.Mask |= unix.STATX_BTIME
	}
}

// mode is the type and the permissions: all may read. The mount is read-only; directories say that their owner may write for the
// sake of copies, which could not be removed otherwise.
func mode(fi iofs.FileInfo) uint32 {
	if fi.IsDir() {
		return syscall.S_IFDIR | 0o755
	}
	return syscall.S_IFREG | 0o444
}

// attrOf returns the attributes that the tree gives, or stand-ins where it gives none.
func attrOf(p string, fi iofs.FileInfo) fs.Attr {
	var a fs.Attr
	switch sys := fi.Sys().(type) {
	case fs.Attr:
		a = sys
	case *fs.Attr:
		a = *sys
	default:
		a.Blocks = (fi.Size() + sector - 1) / sector
	}
	a.Ino = safeIno(a.Ino, p)
	return a
}

// isSafe reports whether a number is neither the root's number nor a number that means "none".
func isSafe(ino uint64) bool { return ino > rootIno && ino < math.MaxUint64 }

// safeIno returns ino, or a number made from the path if ino is not a number that a file can have.
func safeIno(ino uint64, p string) uint64 {
	switch {
	case p == ".":
		return rootIno
	case isSafe(ino):
		return ino
	}
	h := fnv.New64a()
	h.Write([]byte(p))
	return h.Sum64()>>1 | 2
}

// fileTime keeps the zero time, which says that nothing is known, from being shown as a
// day in the year 1.
func fileTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Unix(0, 0)
	}
	return t
}

func statxTime(t time.Time) fuse.SxTime {
	t = fileTime(t)
	return fuse.SxTime{Sec: uint64(t.Unix()), Nsec: uint32(t.Nanosecond())}
}
