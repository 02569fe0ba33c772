package fs

import (
	"context"
	iofs "io/fs"
	"time"

	"memlens/memimage/pedump"
	"memlens/memimage/sparse"
)

// node is a file or a directory of the tree.
type node interface {
	// path returns the path from the root, "." for the root itself.
	path() string
	// stamp returns the time of the node and of its creation.
	stamp() time.Time
}

// dirNode is a directory.
type dirNode interface {
	node
	// list returns the entries of the directory, in any order.
	list(ctx context.Context) ([]listed, error)
	// lookup returns the node with the name, listed or not; the error is [io/fs.ErrNotExist] when there is none.
	lookup(ctx context.Context, name string) (node, error)
}

// fileNode is a regular file.
type fileNode struct {
	place
	open func(ctx context.Context) (*body, error)
	late bool // its size takes work to be found: see [Namer]
}

// place is where a node stands in the tree.
type place struct {
	name string // path from the root
	time time.Time
}

func (p place) path() string     { return p.name }
func (p place) stamp() time.Time { return p.time }

// child returns the place of something in the directory p.
func (p place) child(name string) place { return place{join(p.name, name), p.time} }

// join returns the path of a name in a directory.
func join(dir, name string) string {
	if dir == "." {
		return name
	}
	return dir + "/" + name
}

// listed is an entry of a directory, without its attributes.
type listed struct {
	name string
	dir  bool
}

// directories are entries of directories.
func directories(names []string) []listed {
	out := make([]listed, len(names))
	for i, name := range names {
		out[i] = listed{name, true}
	}
	return out
}

// body is the content of a regular file.
type body struct {
	Content
	strict sparse.Source  // the same bytes with holes where they are missing; nil: there are none
	xattrs func() []xattr // nil: there are none
	late   *lateXattr     // one more, nil: there is none
	close  func() error   // nil: nothing to close
	faults *sparse.Faults // of reading a reference, which are not faults of the image; nil: it is no reference

	headers func() (*pedump.Image, error) // of an executable, kept; nil: they are read from the bytes
}

type xattr struct{ name, value string }

// lateXattr is an attribute whose value takes long to make, and is made when it is asked for.
type lateXattr struct {
	name  string
	value func() (string, bool) // false: it cannot be made
}

// present returns how many bytes of the body are not missing. Where that cannot be found because reading fails, it
// returns all bytes: reading them will report the failure.
func (b *body) present() int64 {
	if b.strict == nil {
		return b.Size()
	}
	count := func() (int64, error) { return sparse.Present(b.strict) }
	if c, ok := b.strict.(interface{ Present() (int64, error) }); ok {
		count = c.Present
	}
	n, err := count()
	if err != nil {
		return b.Size()
	}
	return n
}

// Zeros implements [sparse.Zeroer]: missing bytes read as zeros, and the source may know that present bytes are zeros.
// So work on a file that claims many bytes and has few need not read the missing bytes.
func (b *body) Zeros(off int64) int64 {
	if b.strict == nil {
		return sparse.Zeros(b.Content, off)
	}
	n, err := b.strict.Probe(off)
	if sparse.IsHole(err) {
		return n
	}
	if err != nil {
		return 0
	}
	return min(sparse.Zeros(b.strict, off), n)
}

// source returns the body as it is read, with the missing bytes as zeros.
func (b *body) source() sparse.Source {
	if b.strict == nil {
		return sparse.Whole(b.Content, b.Size())
	}
	return b.strict
}

func (b *body) Close() error {
	if b.close == nil {
		return nil
	}
	return b.close()
}

// inode returns the inode number of the node at a path: the same for every opening of an image. The root has 1.
func inode(name string) uint64 {
	if name == "." {
		return 1
	}
	return inodeOf(hashMore(hashStart, name))
}

// inodeIn returns the inode number of a name in a directory.
func inodeIn(dir, name string) uint64 {
	if dir == "." {
		return inode(name)
	}
	return inodeOf(hashMore(hashMore(hashMore(hashStart, dir), "/"), name))
}

// inodeOf makes an inode number of a hash.
func inodeOf(hash uint64) uint64 {
	ino := hash &^ (1 << 63)
	if ino <= 1 {
		return ino + 2
	}
	return ino
}

// hashStart is the FNV-1a hash, of 64 bits, of nothing.
const hashStart = 0xcbf29ce484222325

// hashMore continues the FNV-1a hash h with s.
func hashMore(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return h
}

// errAbsent says that a file cannot be made; its text is a sentence for the user.
type errAbsent struct{ reason error }

func (e *errAbsent) Error() string        { return e.reason.Error() }
func (e *errAbsent) Is(target error) bool { return target == iofs.ErrNotExist }
func (e *errAbsent) Unwrap() error        { return e.reason }

// absent wraps the reason why a file is not there. A failed read of the image is not such a reason: its error is
// returned unchanged.
func absent(err error) error {
	if err == nil || sparse.Failed(err) {
		return err
	}
	return &errAbsent{err}
}
