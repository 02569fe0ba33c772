//go:build linux

package fusefs

import (
	iofs "io/fs"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"memlens/fs"
)

// tree answers the kernel's requests from an io/fs.FS. It has a table of nodes of its own instead of go-fuse's inodes:
// inodes take ten times the memory, and find(1) makes the kernel look at every file. A request that no method answers,
// such as locks and symbolic links, is not supported.
type tree struct {
	fuse.RawFileSystem
	fsys     iofs.FS
	uid, gid uint32
	damage   damageLog
	work     *work
	nodes    *nodes
	files    handles[*file]
	dirs     handles[*dir]
	listings *listings // nil: directories are opened
	habits   habits
}

func newTree(fsys iofs.FS, o Options) *tree {
	return &tree{RawFileSystem: fuse.NewDefaultRawFileSystem(), fsys: fsys, uid: o.UID, gid: o.GID, damage: damageLog{logger: o.Logger},
		work: newWork(), nodes: newNodes()}
}

// String names the file system where the mount's options do not.
func (t *tree) String() string { return "memlens" }

// node returns the node that a request is about.
func (t *tree) node(h *fuse.InHeader) (node, fuse.Status) {
	n, ok := t.nodes.find(h.NodeId)
	if !ok {
		return 0, fuse.Status(syscall.ESTALE)
	}
	return n, fuse.OK
}

// Lookup finds a child by asking the tree itself, so that names which no listing shows can be opened too.
func (t *tree) Lookup(cancel <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	parent, status := t.node(h)
	if status != fuse.OK {
		return status
	}
	p := t.nodes.child(parent, name)
	if name == "." || name == ".." || !iofs.ValidPath(p) { // not UTF-8: the tree has no such names
		return absent(out)
	}
	r := t.work.request(cancel)
	defer r.end()
	reads := t.watchReads()
	fi, sized, err := t.name(r, p)
	failed := reads.failed()
	switch errno := t.errno("look up", p, err); errno {
	case 0:
	case syscall.ENOENT:
		if failed != nil { // then nobody knows that it is not there
			return fuse.Status(t.errno("look up", p, failed))
		}
		return absent(out)
	default:
		return fuse.Status(errno)
	}
	t.habits.lookedUp(h.Pid, h.NodeId, fi.IsDir())
	t.tell(parent, name, p, fi, out)
	if !sized {
		out.SetAttrTimeout(0) // the kernel asks when somebody wants the size, and before it opens the file (default_permissions)
	}
	if failed != nil {
		passes(out)
	}
	return fuse.OK
}

// passes says of an answer that it is not to be kept: a read failed while it was made, and it may change.
func passes(out *fuse.EntryOut) {
	out.SetEntryTimeout(0)
	out.SetAttrTimeout(0)
}

// absent answers that there is nothing of the name that was looked up, and never will be.
func absent(out *fuse.EntryOut) fuse.Status {
	out.SetEntryTimeout(forever)
	return fuse.OK
}

// tell fills in an answer to the kernel about a child, whose path is p.
func (t *tree) tell(parent node, name, p string, fi iofs.FileInfo, out *fuse.EntryOut) {
	t.fillAttr(&out.Attr, p, fi)
	out.NodeId = t.nodes.tell(parent, name, out.Attr.Ino)
	out.SetEntryTimeout(forever)
	out.SetAttrTimeout(forever)
}

// Forget drops a node that the kernel has dropped.
func (t *tree) Forget(id, times uint64) { t.nodes.forget(id, times) }

// GetAttr fills in the facts that stat(2) shows.
func (t *tree) GetAttr(cancel <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	reads := t.watchReads()
	fi, p, status := t.describe(cancel, &in.InHeader)
	if status != fuse.OK {
		return status
	}
	t.fillAttr(&out.Attr, p, fi)
	out.SetTimeout(reads.valid())
	return fuse.OK
}

// Statx fills in the facts that statx(2) shows: the facts of stat, and the time of creation.
func (t *tree) Statx(cancel <-chan struct{}, in *fuse.StatxIn, out *fuse.StatxOut) fuse.Status {
	reads := t.watchReads()
	fi, p, status := t.describe(cancel, &in.InHeader)
	if status != fuse.OK {
		return status
	}
	t.fillStatx(&out.Statx, p, fi)
	out.SetTimeout(reads.valid())
	return fuse.OK
}

// describe describes the file or directory that a request is about.
func (t *tree) describe(cancel <-chan struct{}, h *fuse.InHeader) (iofs.FileInfo, string, fuse.Status) {
	n, status := t.node(h)
	if status != fuse.OK {
		return nil, "", status
	}
	r := t.work.request(cancel)
	defer r.end()
	p := t.nodes.path(n)
	fi, err := t.stat(r, p)
	return fi, p, fuse.Status(t.errno("stat", p, err))
}

// StatFs fills in the facts that df shows. There is never free space.
func (t *tree) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	out.Bsize, out.Frsize, out.NameLen = blockSize, blockSize, 255
	if s, ok := t.fsys.(fs.Statfser); ok {
		info := s.Statfs()
		out.Blocks, out.Files = info.Blocks, info.Files
		if info.BlockSize != 0 {
			out.Bsize, out.Frsize = info.BlockSize, info.BlockSize
		}
	}
	return fuse.OK
}

// Open opens a regular file. Its bytes never change, so the kernel may keep the bytes that it has from an earlier
// opening.
func (t *tree) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if in.Flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		return fuse.EROFS
	}
	n, status := t.node(&in.InHeader)
	if status != fuse.OK {
		return status
	}
	r := t.work.request(cancel)
	defer r.end()
	p := t.nodes.path(n)
	f, err := openFile(r, t, p)
	if err != nil {
		return fuse.Status(t.errno("open", p, err))
	}
	out.Fh, out.OpenFlags = t.files.add(f), t.work.openFlags(f.f)
	return fuse.OK
}
