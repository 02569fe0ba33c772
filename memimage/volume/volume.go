package volume

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"

	"memlens/memimage/sparse"
)

// ErrNotFound says that no volume has a file of a path. It is wrapped in errors that say more.
var ErrNotFound error = notFound{}

type notFound struct{}

func (notFound) Error() string { return "volume: there is no such file" }

// Is makes it equal to [fs.ErrNotExist] for [errors.Is].
func (notFound) Is(target error) bool { return target == fs.ErrNotExist }

// ErrNoWindows says that a folder or a disk has no Windows on it. It is wrapped in errors that say more.
var ErrNoWindows = errors.New("volume: no Windows is there")

// UnreadableError says that a file is on the volume, and why its bytes cannot be read.
type UnreadableError struct {
	Path string // as it stands on the volume
	Why  string // "it is encrypted by EFS"
}

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("volume: %s is not read: %s", e.Path, e.Why)
}

// File is a file of a volume.
type File struct {
	Path    string    // as it stands on the volume, in its own letter case: `\Windows\System32\ntdll.dll`
	Volume  string    // "partition 3", or empty if there is only one volume
	Size    int64     // in bytes
	ModTime time.Time // when the content was last changed, as the volume has it
	// Key names the file and its state: it differs from the key of any other file, and changes when the file is
	// written.
	Key string
	// Note has the assumptions, and the links and redirections, on the way to the file: "by WoW64 redirection".
	// Empty: none.
	Note string

	open func() (Content, error)
}

// Open opens the file. Its bytes are read when they are asked for.
func (f *File) Open() (Content, error) { return f.open() }

// Content is the bytes of a file. It has no holes; a failed read, or damaged compressed data, is a
// *[sparse.ReadError]. It is safe for concurrent use.
type Content interface {
	sparse.Source
	io.Closer
}

// content is a source and the function that closes it.
type content struct {
	sparse.Source
	close func() error
}

func (c content) Close() error {
	if c.close == nil {
		return nil
	}
	return c.close()
}

// Volumes are the volumes of a disk, volumes with Windows first, or the volume in a folder.
type Volumes struct {
	// Notes say which parts of the disk are not read, and what was assumed about the other parts.
	Notes  []string
	trees  []tree
	closer io.Closer

	mu     sync.Mutex
	stores map[tree]*store
}

// Close closes the folder that [OpenFolder] opened. Open files stay open.
func (v *Volumes) Close() error {
	if v.closer == nil {
		return nil
	}
	return v.closer.Close()
}

// Names returns the names of the volumes in [File.Volume], volumes with Windows first.
func (v *Volumes) Names() []string {
	var names []string
	for _, t := range v.trees {
		names = append(names, t.name())
	}
	return names
}

// tree is a file system.
type tree interface {
	// name says which volume it is: "partition 3".
	name() string
	root() node
	// windows is the folder of Windows below the root, `Windows`; empty: it has none.
	windows() string
}

// node is a file or folder of a tree.
type node interface {
	// name is its exact name on the volume.
	name() string
	isDir() bool
	// child returns the file or folder with that name in the folder, in upper or lower case. ErrNotFound: there is
	// none. A note has the assumption, if one was made.
	child(ctx context.Context, name string) (n node, note string, err error)
	// children calls f with the files and folders in the folder, until f returns false; links are not followed. These
	// nodes are only for listing their children: file is for nodes from child.
	children(ctx context.Context, f func(node) bool) error
	// link returns its target; nil: it is no link.
	link(ctx context.Context) (*link, error)
	// file returns it as a file.
	file(ctx context.Context) (*File, error)
}

// link is the target of a junction or a symbolic link.
type link struct {
	text   string   // the target as it is written
	parts  []string // the names on the way
	rooted bool     // from the root of the volume on, not from the folder of the link
	drive  string   // "C:"; empty: the volume is not named
}

// notes joins notes, each once.
func notes(all ...string) string {
	var out []string
	for _, s := range all {
		if s != "" && !strings.Contains(strings.Join(out, "; "), s) {
			out = append(out, s)
		}
	}
	return strings.Join(out, "; ")
}
