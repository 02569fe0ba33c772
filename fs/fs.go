package fs

import (
	"context"
	"fmt"
	"io"
	iofs "io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Open implements [io/fs.FS]. Regular files implement [io.ReaderAt], [io.Seeker], [Xattrer], [Holer] and
// [ContextReaderAt].
func (f *FS) Open(name string) (iofs.File, error) { return f.OpenContext(context.Background(), name) }

// OpenContext implements [ContextFS].
func (f *FS) OpenContext(ctx context.Context, name string) (iofs.File, error) {
	n, err := f.find(ctx, name)
	if err != nil {
		return nil, &iofs.PathError{Op: "open", Path: name, Err: err}
	}
	if d, ok := n.(dirNode); ok {
		return &openDir{node: d}, nil
	}
	b, err := n.(*fileNode).open(ctx)
	if err != nil {
		return nil, &iofs.PathError{Op: "open", Path: name, Err: err}
	}
	return &openFile{node: n, body: b}, nil
}

// Stat implements [io/fs.StatFS].
func (f *FS) Stat(name string) (iofs.FileInfo, error) {
	return f.StatContext(context.Background(), name)
}

// StatContext implements [ContextFS].
func (f *FS) StatContext(ctx context.Context, name string) (iofs.FileInfo, error) {
	n, err := f.find(ctx, name)
	return statFound(ctx, n, name, err)
}

// NameContext implements [Namer].
func (f *FS) NameContext(ctx context.Context, name string) (info iofs.FileInfo, sized bool, err error) {
	n, err := f.find(ctx, name)
	if file, ok := n.(*fileNode); err == nil && ok && file.late {
		info := infoOf(n, nil)
		info.mode = fileMode
		return info, false, nil
	}
	info, err = statFound(ctx, n, name, err)
	return info, err == nil, err
}

// ReadDir implements [io/fs.ReadDirFS].
func (f *FS) ReadDir(name string) ([]iofs.DirEntry, error) {
	return f.ReadDirContext(context.Background(), name)
}

// ReadDirContext implements [ContextFS].
func (f *FS) ReadDirContext(ctx context.Context, name string) ([]iofs.DirEntry, error) {
	n, err := f.find(ctx, name)
	if err == nil {
		d, ok := n.(dirNode)
		if !ok {
			err = fmt.Errorf("not a directory")
		} else {
			var out []iofs.DirEntry
			if out, err = entries(ctx, d); err == nil {
				return out, nil
			}
			return out, &iofs.PathError{Op: "readdir", Path: name, Err: err}
		}
	}
	return nil, &iofs.PathError{Op: "readdir", Path: name, Err: err}
}

// find walks down from the root.
func (f *FS) find(ctx context.Context, name string) (node, error) {
	if !iofs.ValidPath(name) {
		return nil, iofs.ErrInvalid
	}
	var at node = f.root
	if name == "." {
		return at, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		d, ok := at.(dirNode)
		if !ok {
			return nil, iofs.ErrNotExist
		}
		next, err := d.lookup(ctx, part)
		if err != nil {
			return nil, err
		}
		at = next
	}
	return at, nil
}

// entries lists a directory, sorted by name. With an error, too, it returns the entries that are known.
func entries(ctx context.Context, d dirNode) ([]iofs.DirEntry, error) {
	list, err := d.list(ctx)
	slices.SortFunc(list, func(a, b listed) int { return strings.Compare(a.name, b.name) })
	out, all := make([]iofs.DirEntry, len(list)), make([]dirEntry, len(list))
	for i, l := range list {
		all[i] = dirEntry{d, l}
		out[i] = &all[i]
	}
	return out, err
}

// dirEntry implements [io/fs.DirEntry], [ContextDirEntry] and [Inoer]; its attributes are looked up when asked for.
type dirEntry struct {
	in dirNode
	listed
}

func (e *dirEntry) Name() string                 { return e.name }
func (e *dirEntry) IsDir() bool                  { return e.dir }
func (e *dirEntry) Info() (iofs.FileInfo, error) { return e.InfoContext(context.Background()) }
func (e *dirEntry) Ino() uint64                  { return inodeIn(e.in.path(), e.name) }
func (e *dirEntry) Type() iofs.FileMode {
	if e.dir {
		return iofs.ModeDir
	}
	return 0
}
func (e *dirEntry) String() string { return iofs.FormatDirEntry(e) }

// InfoContext implements [ContextDirEntry].
func (e *dirEntry) InfoContext(ctx context.Context) (iofs.FileInfo, error) {
	n, err := e.in.lookup(ctx, e.name)
	if err == nil {
		var info iofs.FileInfo
		if info, err = stat(ctx, n); err == nil {
			return info, nil
		}
	}
	return nil, &iofs.PathError{Op: "stat", Path: join(e.in.path(), e.name), Err: err}
}

// fileInfo implements [io/fs.FileInfo].
type fileInfo struct {
	name string
	size int64
	mode iofs.FileMode
	time time.Time
	attr Attr
}

func (i *fileInfo) Name() string        { return i.name }
func (i *fileInfo) Size() int64         { return i.size }
func (i *fileInfo) Mode() iofs.FileMode { return i.mode }
func (i *fileInfo) ModTime() time.Time  { return i.time }
func (i *fileInfo) IsDir() bool         { return i.mode.IsDir() }
func (i *fileInfo) Sys() any            { return &i.attr }
func (i *fileInfo) String() string      { return iofs.FormatFileInfo(i) }

func stat(ctx context.Context, n node) (iofs.FileInfo, error) {
	if d, ok := n.(dirNode); ok {
		return infoOf(d, nil), nil
	}
	b, err := n.(*fileNode).open(ctx)
	if err != nil {
		return nil, err
	}
	info := infoOf(n, b)
	return info, b.Close()
}

// statFound describes the node that a lookup by name found, or the failure err of the lookup.
func statFound(ctx context.Context, n node, name string, err error) (iofs.FileInfo, error) {
	if err == nil {
		var info iofs.FileInfo
		if info, err = stat(ctx, n); err == nil {
			return info, nil
		}
	}
	return nil, &iofs.PathError{Op: "stat", Path: name, Err: err}
}

// fileMode and dirMode are the modes of all files and directories. Nothing in the tree can be written, whatever they say: with them
// the owner of a copy can remove it (rm -r needs to write to directories, not to files).
const (
	fileMode iofs.FileMode = 0o444
	dirMode                = iofs.ModeDir | 0o755
)

// infoOf describes a directory, or a file that holds b.
func infoOf(n node, b *body) *fileInfo {
	info := &fileInfo{
		name: path.Base(n.path()), mode: dirMode, time: n.stamp(),
		attr: Attr{Ino: inode(n.path()), Birth: n.stamp()},
	}
	if b != nil {
		info.mode, info.size = fileMode, b.Size()
		info.attr.Blocks = (b.present() + 511) / 512
	}
	return info
}

// openDir is an open directory.
type openDir struct {
	node    dirNode
	entries []iofs.DirEntry
	read    bool
}

// Faults implements [Faulter].
func (f *FS) Faults() int64 { return f.image.Faults().Count() }

// FaultSince implements [Faulter].
func (f *FS) FaultSince(n int64) error { return f.image.Faults().Since(n) }

func (d *openDir) Stat() (iofs.FileInfo, error) { return infoOf(d.node, nil), nil }
func (d *openDir) Close() error                 { return nil }
func (d *openDir) Read([]byte) (int, error) {
	return 0, &iofs.PathError{Op: "read", Path: d.node.path(), Err: fmt.Errorf("is a directory")}
}

// ReadDir implements [io/fs.ReadDirFile].
func (d *openDir) ReadDir(n int) ([]iofs.DirEntry, error) {
	if !d.read {
		entries, err := entries(context.Background(), d.node)
		if err != nil {
			return entries, &iofs.PathError{Op: "readdir", Path: d.node.path(), Err: err}
		}
		d.entries, d.read = entries, true
	}
	if n <= 0 {
		out := d.entries
		d.entries = nil
		return out, nil
	}
	if len(d.entries) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.entries))
	out := d.entries[:n:n]
	d.entries = d.entries[n:]
	return out, nil
}
