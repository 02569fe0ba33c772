package volume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	lru "github.com/hashicorp/golang-lru/v2"

	"memlens/memimage/sparse"
)

// keptListings is how many folders' names are kept: the modules of a machine lie in fewer folders.
const keptListings = 64

// OpenFolder opens a folder that is a Windows volume, mounted by any tool. Nothing outside of the folder is read,
// also if links lead there. The error wraps [ErrNoWindows] if the folder has no Windows\System32.
func OpenFolder(dir string) (*Volumes, error) {
	full, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("volume: %w", err)
	}
	root, err := os.OpenRoot(full)
	if err != nil {
		return nil, fmt.Errorf("volume: %w", err)
	}
	listings, _ := lru.New[string, *listing](keptListings) // fails only for a size of 0
	t := &folderTree{fs: root, dir: full, listings: listings}
	if t.real, err = filepath.EvalSymlinks(full); err != nil {
		return nil, errors.Join(fmt.Errorf("volume: %w", err), root.Close())
	}
	if t.system, err = systemRoot(context.Background(), t.top()); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s has no Windows\\System32: %w", ErrNoWindows, dir, err), root.Close())
	}
	return &Volumes{trees: []tree{t}, closer: root}, nil
}

// folderTree is a folder of this machine's file system as a volume.
type folderTree struct {
	fs       *os.Root
	dir      string // as an absolute path
	real     string // the path without links
	system   string
	listings *lru.Cache[string, *listing]
}

func (t *folderTree) name() string    { return "" }
func (t *folderTree) windows() string { return t.system }
func (t *folderTree) root() node      { return t.top() }

func (t *folderTree) top() *folderNode { return &folderNode{tree: t, path: ".", mode: fs.ModeDir} }

// folderNode is a file or folder in a folderTree.
type folderNode struct {
	tree *folderTree
	path string // from the root on, as this machine writes it; ".": the root
	mode fs.FileMode
	info fs.FileInfo // nil: it is not known
}

func (n *folderNode) name() string { return filepath.Base(n.path) }
func (n *folderNode) isDir() bool  { return n.mode.IsDir() }

// child implements [node]. If two names differ only in upper and lower case, an exact match is taken, and otherwise
// none. A short name is found by the rule by which Windows makes short names, if only one name fits.
func (n *folderNode) child(_ context.Context, name string) (node, string, error) {
	names, err := n.tree.listing(n.path)
	if err != nil {
		return nil, "", err
	}
	own, note, err := names.find(name, func(long string) string { return n.tree.shortName(filepath.Join(n.path, long)) })
	if err != nil {
		return nil, "", err
	}
	path := filepath.Join(n.path, own)
	info, err := n.tree.fs.Lstat(path)
	if err != nil {
		return nil, "", readingFailed(err)
	}
	return &folderNode{n.tree, path, info.Mode(), info}, note, nil
}

// children implements [node].
func (n *folderNode) children(_ context.Context, f func(node) bool) error {
	l, err := n.tree.listing(n.path)
	if err != nil {
		return err
	}
	for _, name := range l.names {
		if !f(&folderNode{tree: n.tree, path: filepath.Join(n.path, name), mode: l.types[name]}) {
			break
		}
	}
	return nil
}

// readingFailed translates the error of an operation on a file: a missing file is an answer, other errors may be
// faults.
func readingFailed(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return fmt.Errorf("volume: %w", sparse.FileError(err))
}

// file implements [node].
func (n *folderNode) file(context.Context) (*File, error) {
	if !n.mode.IsRegular() {
		return nil, &UnreadableError{Why: fmt.Sprintf("the file system says that it is no file but %s", n.mode.Type())}
	}
	return &File{
		Size:    n.info.Size(),
		ModTime: n.info.ModTime(),
		Key:     fmt.Sprintf("%s\x00%d\x00%d", filepath.Join(n.tree.dir, n.path), n.info.Size(), n.info.ModTime().UnixNano()),
		open:    n.open,
	}, nil
}

// open opens the file, which must be the file that was looked up.
func (n *folderNode) open() (Content, error) {
	f, err := n.tree.fs.Open(n.path)
	if err != nil {
		return nil, readingFailed(err)
	}
	info, err := f.Stat()
	if err == nil && (!os.SameFile(info, n.info) || info.Size() != n.info.Size() || !info.ModTime().Equal(n.info.ModTime())) {
		err = fmt.Errorf("%s has changed since it was looked up", n.path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("volume: %w", sparse.FileError(err)), f.Close())
	}
	if err := notEmptied(f, info.Size()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return content{sparse.Whole(io.ReaderAt(f), info.Size()), f.Close}, nil
}

// notEmptied refuses a file that begins with a page of zeros, as no module does. Tools that do not know WOF show
// files that WOF has compressed as zeros.
func notEmptied(f *os.File, size int64) error {
	var page [4096]byte
	if size < int64(len(page)) {
		return nil
	}
	if _, err := f.ReadAt(page[:], 0); err != nil {
		return &sparse.ReadError{Err: err}
	}
	if page != [4096]byte{} {
		return nil
	}
	return &UnreadableError{f.Name(), "it begins with zeros: it is compressed by WOF, and the tool that mounts the volume does not " +
		"read that, or it was never written. Give the disk image itself"}
}
