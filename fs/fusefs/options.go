// Package fusefs shows a read-only io/fs.FS to the kernel through FUSE.
//
// It is the only importer of go-fuse. Above it is cmd, which chooses the mount point. Below it is package fs; it uses
// only the interfaces there for the facts that io/fs has no place for: inode numbers, holes, extended attributes.
//
// The tree never changes, so the kernel may keep every answer: names, attributes, listings and bytes are asked for
// once. The file system is mounted ro, nosuid, nodev and noexec: the files in it may well be malware.
//
// Mounting is implemented for Linux. Elsewhere the same functions return ErrUnsupported.
package fusefs

import (
	"errors"
	"fmt"
	"log/slog"
)

// ErrUnsupported is returned where this program cannot mount. It matches
// errors.ErrUnsupported.
var ErrUnsupported = fmt.Errorf("fusefs: mounting needs Linux and its FUSE; `memlens extract` writes the same tree to a folder on any system: %w", errors.ErrUnsupported)

// Options says how a tree is mounted. The zero value is usable.
type Options struct {
	FsName     string // the source that df and mount show, such as the image's path
	Name       string // the type that they show is "fuse." and this; "memlens" if empty
	AllowOther bool   // let users other than the mounter in
	UID, GID   uint32 // owner of every file and directory
	Debug      bool   // log every request and answer
	Logger     *slog.Logger
}

// withDefaults sets the options that the zero value leaves open.
func (o Options) withDefaults() Options {
	if o.Name == "" {
		o.Name = "memlens"
	}
	if o.FsName == "" {
		o.FsName = o.Name
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
