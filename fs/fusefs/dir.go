//go:build linux

package fusefs

import (
	"context"
	iofs "io/fs"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"memlens/fs"
	"memlens/memimage/rescue"
)

// dir is an open directory.
type dir struct {
	tree    *tree
	node    node
	id, up  uint64 // its number, and the number of the directory that it is in
	entries []iofs.DirEntry
	files   int           // how many entries are not directories
	passing bool          // the listing may change: a read failed while it was made
	failed  syscall.Errno // the error, if some entries could not be found
}

// openDir lists a directory, without asking any of its files for its size.
func openDir(ctx context.Context, t *tree, n node) (*dir, syscall.Errno) {
	p := t.nodes.path(n)
	reads := t.watchReads()
	list, err := t.readDir(ctx, p)
	if err != nil && len(list) == 0 {
		return nil, t.errno("list", p, err)
	}
	d := &dir{tree: t, node: n, entries: list}
	if failed := reads.failed(); failed != nil {
		t.damage.report("be sure to list all of it", p, failed)
		d.passing = true
	}
	if err != nil {
		d.failed, d.passing = t.errno("list", p, err), true
	}
	d.id, d.up = t.nodes.ids(n)
	for _, e := range list {
		if !e.IsDir() {
			d.files++
		}
	}
	return d, 0
}

// dots are the two entries that io/fs has no use for and ls -a has.
const dots = 2

// end returns the offset behind the last entry.
func (d *dir) end() uint64 { return uint64(len(d.entries)) + dots }

// entry returns the entry at an offset, and the tree's own entry, which the dots lack; false at the end.
func (d *dir) entry(off uint64) (out fuse.DirEntry, of iofs.DirEntry, ok bool) {
	out = fuse.DirEntry{Mode: syscall.S_IFDIR, Off: off + 1}
	switch {
	case off == 0:
		out.Name, out.Ino = ".", d.id
		return out, nil, true
	case off == 1:
		out.Name, out.Ino = "..", d.up
		return out, nil, true
	case off >= d.end():
		return out, nil, false
	}
	of = d.entries[off-dots]
	out.Name, out.Ino = of.Name(), d.ino(of)
	if !of.IsDir() {
		out.Mode = syscall.S_IFREG
	}
	return out, of, true
}

// ino returns the number of an entry that stat will show.
func (d *dir) ino(e iofs.DirEntry) uint64 {
	var ino uint64
	if i, ok := e.(fs.Inoer); ok {
		ino = i.Ino()
	}
	if isSafe(ino) {
		return ino
	}
	return safeIno(ino, d.tree.nodes.child(d.node, e.Name()))
}

// OpenDir opens a directory. The kernel may keep its listing, too, unless a read failed while it was made.
func (t *tree) OpenDir(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if t.listings != nil {
		return fuse.ENOSYS // the kernel will not ask again
	}
	n, status := t.node(&in.InHeader)
	if status != fuse.OK {
		return status
	}
	r := t.work.request(cancel)
	defer r.end()
	d, errno := openDir(r, t, n)
	if errno != 0 {
		return fuse.Status(errno)
	}
	out.Fh = t.dirs.add(d)
	if !d.passing {
		out.OpenFlags = fuse.FOPEN_CACHE_DIR | fuse.FOPEN_KEEP_CACHE
	}
	return fuse.OK
}

// ReleaseDir closes a directory.
func (t *tree) ReleaseDir(in *fuse.ReleaseIn) { t.dirs.remove(in.Fh) }

// dir returns the directory that is read.
func (t *tree) dir(ctx context.Context, in *fuse.ReadIn) (*dir, fuse.Status) {
	if t.listings == nil {
		d := t.dirs.get(in.Fh)
		if d == nil {
			return nil, fuse.EBADF
		}
		return d, fuse.OK
	}
	n, status := t.node(&in.InHeader)
	if status != fuse.OK {
		return nil, status
	}
	return t.listings.of(ctx, t, n, in)
}

// ReadDir lists a directory from an offset on.
func (t *tree) ReadDir(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	r := t.work.request(cancel)
	defer r.end()
	d, status := t.dir(r, in)
	if status != fuse.OK {
		return status
	}
	d.each(in.Offset, func(e fuse.DirEntry, _ iofs.DirEntry) bool { return out.AddDirEntry(e) })
	return d.status(in.Offset)
}

// status is the status of a read from an offset: behind the last entry, the error if some entries could not be found.
func (d *dir) status(off uint64) fuse.Status {
	if off >= d.end() {
		return fuse.Status(d.failed)
	}
	return fuse.OK
}

// ReadDirPlus is ReadDir with the facts that stat shows: for each directory, and for each file if the reader is likely
// to ask for them.
func (t *tree) ReadDirPlus(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	r := t.work.request(cancel)
	defer r.end()
	d, status := t.dir(r, in)
	if status != fuse.OK {
		return status
	}
	looks := t.habits.listing(in.Pid, d.id, d.files)
	reads := t.watchReads()
	ahead := describeAll(r, d.fitting(in.Offset, int(in.Size)), looks)
	passing := reads.failed() != nil
	d.each(in.Offset, func(e fuse.DirEntry, of iofs.DirEntry) bool {
		entry := out.AddDirLookupEntry(e)
		if entry != nil && of != nil && len(ahead) > 0 {
			t.look(d, of, ahead[0], entry)
			if passing {
				passes(entry)
			}
			ahead = ahead[1:]
		}
		return entry != nil
	})
	return d.status(in.Offset)
}

// each yields the entries from an offset on, until that returns false.
func (d *dir) each(off uint64, yield func(fuse.DirEntry, iofs.DirEntry) bool) {
	for ; ; off++ {
		if e, of, ok := d.entry(off); !ok || !yield(e, of) {
			return
		}
	}
}

// fitting returns the entries of the tree, from an offset on, that an answer of so many bytes has room for.
func (d *dir) fitting(off uint64, room int) []iofs.DirEntry {
	const fixed, unit = 152, 8 // of struct fuse_direntplus in linux/fuse.h: what is before the name, and what its size is rounded to
	start := min(max(off, dots), d.end())
	room -= int(start-min(off, start)) * (fixed + unit) // the dots
	end := start
	for ; end < d.end(); end++ {
		room -= (fixed + len(d.entries[end-dots].Name()) + unit - 1) &^ (unit - 1)
		if room < 0 {
			break
		}
	}
	return d.entries[start-dots : end-dots]
}

// facts are what stat shows of an entry, or the error.
type facts struct {
	fi  iofs.FileInfo
	err error
}

// together is how many entries of a listing are described at the same time. Each may take the memory of a text.
const together = 4

// describeAll describes the directories among entries, and the files, too, if they are asked for; several at the same time: to
// know the size of a text, its tree may make it. It leaves out the rest when nobody waits for them any more.
func describeAll(ctx context.Context, entries []iofs.DirEntry, files bool) []facts {
	out := make([]facts, len(entries))
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < len(entries) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
			if !files && !entries[i].IsDir() {
				continue
			}
			f := &out[i]
			if err := rescue.Call(func() error { f.fi, f.err = describe(ctx, entries[i]); return nil }); err != nil {
				f.err = err
			}
		}
	}
	var helpers sync.WaitGroup
	for range min(together, runtime.GOMAXPROCS(0), len(entries)) - 1 {
		helpers.Go(work)
	}
	work()
	helpers.Wait()
	return out
}

// look gives the kernel the facts that stat shows of an entry. If the entry is not described, it gives nothing, and the
// kernel will ask.
func (t *tree) look(d *dir, e iofs.DirEntry, f facts, out *fuse.EntryOut) {
	if f.fi == nil || f.err != nil || !iofs.ValidPath(e.Name()) || f.fi.IsDir() != e.IsDir() {
		return
	}
	t.tell(d.node, e.Name(), t.nodes.child(d.node, e.Name()), f.fi, out)
}

// describe describes an entry on behalf of a request.
func describe(ctx context.Context, e iofs.DirEntry) (iofs.FileInfo, error) {
	if c, ok := e.(fs.ContextDirEntry); ok {
		return c.InfoContext(ctx)
	}
	return e.Info()
}
