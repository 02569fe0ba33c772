// Command floor mounts a folder with go-fuse and does nothing else. Its processor time is the least
// that a program needs whose mount serves these bytes. bench.sh measures memlens against it.
//
//	floor DIR MNT
//
// It prints "ready" and serves until it is interrupted. Each file is read at the place that the kernel asks for, as memlens
// reads its image, and nothing is computed.
package main

import (
	"context"
	"fmt"
	iofs "io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: floor DIR MNT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func run(dir, mnt string) error {
	long := time.Hour
	server, err := fs.Mount(mnt, &root{dir: dir}, &fs.Options{
		AttrTimeout: &long, EntryTimeout: &long,
		MountOptions: fuse.MountOptions{FsName: "floor", Options: []string{"ro"}, MaxWrite: 1 << 20, MaxReadAhead: 1 << 20},
	})
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	fmt.Println("ready")
	<-stop
	return server.Unmount()
}

// root is the directory with copies of all files of a folder.
type root struct {
	fs.Inode
	dir string
}

// OnAdd builds the tree when it is mounted.
func (r *root) OnAdd(ctx context.Context) {
	err := filepath.WalkDir(r.dir, func(path string, d iofs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			r.add(ctx, strings.Split(strings.TrimPrefix(path, r.dir+"/"), "/"), &file{path: path, size: uint64(info.Size())})
		}
		return err
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
	}
}

func (r *root) add(ctx context.Context, names []string, f *file) {
	at := r.EmbeddedInode()
	for _, name := range names[:len(names)-1] {
		next := at.GetChild(name)
		if next == nil {
			next = at.NewPersistentInode(ctx, &fs.Inode{}, fs.StableAttr{Mode: fuse.S_IFDIR})
			at.AddChild(name, next, true)
		}
		at = next
	}
	at.AddChild(names[len(names)-1], at.NewPersistentInode(ctx, f, fs.StableAttr{}), true)
}

// file is one file. An open file is its own handle.
type file struct {
	fs.Inode
	path string
	size uint64
}

// Getattr implements [fs.NodeGetattrer].
func (f *file) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = 0o444, f.size
	return 0
}

// Open implements [fs.NodeOpener].
func (f *file) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	h, err := os.Open(f.path)
	return &handle{h}, fuse.FOPEN_KEEP_CACHE, fs.ToErrno(err)
}

type handle struct{ *os.File }

// Read implements [fs.FileReader].
func (h *handle) Read(_ context.Context, p []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n, _ := h.ReadAt(p, off)
	return fuse.ReadResultData(p[:n]), 0
}

// Release implements [fs.FileReleaser].
func (h *handle) Release(context.Context) syscall.Errno { return fs.ToErrno(h.Close()) }
