//go:build linux

package fusefs

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"log"
	"log/slog"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

const (
	forever       = 24 * time.Hour // how long the kernel may keep an answer
	maxRead       = 512 << 10      // bytes in a request: twice as much is no faster, and takes more memory
	maxBackground = 64             // requests that the kernel may queue
)

// Server serves a mounted tree.
type Server struct {
	dir    string
	dev    string // the device number of the mount, major:minor
	host   host
	logger *slog.Logger
	work   *work
	done   chan struct{} // closed when the kernel has let go of the mount
}

// Mount mounts fsys on dir, read-only, and serves it until it is unmounted. On return the
// mount can be used. The process that serves a mount must not use it itself.
//
// It takes no heed of signals; a process that ends while it serves leaves a dead mount
// behind. A program that only serves calls Serve instead.
func Mount(dir string, fsys iofs.FS, o Options) (*Server, error) {
	o = o.withDefaults()
	h := thisHost()
	real, err := h.check(dir, o)
	if err != nil {
		return nil, err
	}
	t := newTree(fsys, o)
	srv, err := mount(real, t, mountOptions(o, h.root))
	s := &Server{dir: real, host: h, logger: o.Logger, work: t.work, done: make(chan struct{})}
	if m, ok := topMount(readMounts(h.mountinfo), real); ok {
		s.dev = m.dev
	}
	if err != nil {
		return nil, s.mountError(err)
	}
	h.setReadAhead(s.dev)
	s.work.mmap.Store(srv.KernelSettings().Flags64()&fuse.CAP_DIRECT_IO_ALLOW_MMAP != 0)
	go func() {
		srv.Wait()
		close(s.done)
	}()
	return s, nil
}

// mountError explains why a mount failed, and removes the mount if there is one.
func (s *Server) mountError(err error) error {
	if s.dev != "" {
		err = errors.Join(err, s.unmount(lazy))
	}
	if s.host.root && errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("fusefs: mounting on %s was refused (%w): root has no CAP_SYS_ADMIN here; in a container, start it with --device /dev/fuse --cap-add SYS_ADMIN"+instead, s.dir, err)
	}
	return fmt.Errorf("fusefs: mounting on %s: %w", s.dir, err)
}

// mountOptions are the options for a tree that never changes. As root no helper is
// needed, and none is asked: its message would hide the kernel's.
func mountOptions(o Options, root bool) *fuse.MountOptions {
	opts := &fuse.MountOptions{
		AllowOther:               o.AllowOther,
		Options:                  []string{"default_permissions"},
		MaxBackground:            maxBackground,
		MaxWrite:                 maxRead,
		FsName:                   o.FsName,
		Name:                     o.Name,
		Debug:                    o.Debug,
		Logger:                   libraryLogger(o),
		ExplicitDataCacheControl: true,
		ExtraCapabilities:        fuse.CAP_DIRECT_IO_ALLOW_MMAP,
		DisableSplice:            true, // bytes in a pipe become zeros when the file is cut
		PanicHandler:             panicHandler(o.Logger),
	}
	if root {
		opts.DirectMountStrict = true
		opts.DirectMountFlags = syscall.MS_RDONLY | syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC
	} else {
		opts.Options = append(opts.Options, "ro", "nosuid", "nodev", "noexec")
	}
	return opts
}

// mount mounts a tree, and returns when it is served.
func mount(dir string, t *tree, o *fuse.MountOptions) (*fuse.Server, error) {
	srv, err := fuse.NewServer(t, dir, o)
	if err != nil {
		return nil, err
	}
	go srv.Serve()
	return srv, srv.WaitMount()
}

// libraryLogger passes on the messages of go-fuse: every request when debugging, and otherwise only the errors that it
// finds.
func libraryLogger(o Options) *log.Logger {
	level := slog.LevelWarn
	if o.Debug {
		level = slog.LevelDebug
	}
	return slog.NewLogLogger(o.Logger.Handler(), level)
}

// panicHandler turns a panic in the tree into an I/O error for the request. The mount goes on.
func panicHandler(l *slog.Logger) func(any) fuse.Status {
	return func(reason any) fuse.Status {
		l.Error("panic while answering the kernel", "reason", reason, "stack", string(debug.Stack()))
		return fuse.EIO
	}
}

// Dir returns the mount point, absolute and without symbolic links.
func (s *Server) Dir() string { return s.dir }
