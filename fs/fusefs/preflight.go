//go:build linux

package fusefs

import (
	"bufio"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// host is the state of the system that a mount depends on.
type host struct {
	root      bool // may mount by itself
	device    string
	conf      string
	mountinfo string
	bdi       string // the folder of the kernel's settings for each mount
	lookPath  func(string) (string, error)
}

func thisHost() host {
	return host{
		root:      os.Geteuid() == 0,
		device:    "/dev/fuse",
		conf:      "/etc/fuse.conf",
		mountinfo: "/proc/self/mountinfo",
		bdi:       "/sys/class/bdi",
		lookPath:  exec.LookPath,
	}
}

// Preflight reports reasons why a tree cannot be mounted on dir, and how to remove them. Mount checks the same; a check
// before an image is opened saves the user the wait.
func Preflight(dir string, o Options) error {
	_, err := thisHost().check(dir, o)
	return err
}

// check returns dir as the kernel names it, if a tree can be mounted there.
func (h host) check(dir string, o Options) (string, error) {
	if err := h.checkFUSE(o); err != nil {
		return "", err
	}
	return h.mountPoint(dir)
}

const instead = "; or use `memlens extract`, which needs no mount"

// checkFUSE looks for the kernel's side of FUSE, and for the helper that mounts for users
// other than root.
func (h host) checkFUSE(o Options) error {
	if err := h.openDevice(); err != nil {
		return err
	}
	if h.root {
		return nil
	}
	if _, err := h.helper(); err != nil {
		return fmt.Errorf("fusefs: fusermount3 is not installed, and only root can mount without it: `apt install fuse3`, or your system's package of that name"+instead+" (%w)", err)
	}
	if o.AllowOther && !h.userAllowOther() {
		return fmt.Errorf("fusefs: to let other users in, %s must hold the line user_allow_other (it is root's to add); or mount as root", h.conf)
	}
	return nil
}

// openDevice finds out whether the kernel has FUSE and lets this user have it. It is
// fusermount3 that opens the device for users, but with no more rights than theirs.
func (h host) openDevice() error {
	f, err := os.OpenFile(h.device, os.O_RDWR, 0)
	switch {
	case err == nil:
		return f.Close()
	case errors.Is(err, iofs.ErrNotExist):
		return fmt.Errorf("fusefs: %s is missing: load it with `modprobe fuse` as root, or give it to the container with --device /dev/fuse --cap-add SYS_ADMIN"+instead, h.device)
	case h.root:
		return fmt.Errorf("fusefs: %s is there but cannot be opened (%w): in a container, start it with --device /dev/fuse --cap-add SYS_ADMIN"+instead, h.device, err)
	}
	return fmt.Errorf("fusefs: %s is not open to you (%w): join the group that owns it, or have root run: chmod 666 %s"+instead, h.device, err, h.device)
}

// helper returns the path of the program that mounts and unmounts for users.
func (h host) helper() (string, error) {
	for _, name := range []string{"fusermount3", "/bin/fusermount3", "fusermount"} {
		if p, err := h.lookPath(name); err == nil {
			return p, nil
		}
	}
	return h.lookPath("/bin/fusermount")
}

// userAllowOther reports whether fuse.conf(5) lets users give others access.
func (h host) userAllowOther() bool {
	f, err := os.Open(h.conf)
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.TrimSpace(lines.Text()) == "user_allow_other" {
			return true
		}
	}
	return false
}

// mountPoint returns dir, absolute and without symbolic links, if it is an empty
// directory on which nothing is mounted.
func (h host) mountPoint(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("fusefs: mount point %s: %w", dir, err)
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return "", h.unreachable(abs, err)
	}
	if dead(real) {
		return "", h.unreachable(real, syscall.ENOTCONN)
	}
	if m, ok := topMount(readMounts(h.mountinfo), real); ok {
		return "", h.occupied(m)
	}
	return real, h.emptyDir(real)
}

// dead reports whether p lies in a mount whose program has died. The kernel answers most
// questions about such a mount from memory, but not this one.
func dead(p string) bool {
	var st unix.Statfs_t
	return errors.Is(unix.Statfs(p, &st), unix.ENOTCONN)
}

// emptyDir reports why dir cannot be mounted on.
func (h host) emptyDir(dir string) error {
	fi, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("fusefs: mount point: %w", err)
	}
	if !fi.IsDir() {
		return fmt.Errorf("fusefs: mount point %s is not a directory", dir)
	}
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("fusefs: mount point: %w", err)
	}
	defer f.Close()
	if names, _ := f.Readdirnames(1); len(names) > 0 {
		return fmt.Errorf("fusefs: mount point %s is not empty (it holds %q): what it holds could not be reached while the image is mounted; choose an empty directory", dir, names[0])
	}
	if !h.root && unix.Access(dir, unix.W_OK) != nil {
		return fmt.Errorf("fusefs: mount point %s is not yours to write to, and fusermount3 asks for that; choose a directory of your own", dir)
	}
	return nil
}

// unreachable explains why a mount point cannot even be looked at: it does not exist, or
// it is a mount whose program has died, or one that belongs to another user.
func (h host) unreachable(dir string, err error) error {
	if errors.Is(err, iofs.ErrNotExist) {
		return fmt.Errorf("fusefs: mount point %s does not exist; make it with: mkdir -p %s", dir, ShellQuote(dir))
	}
	m, ok := coveringMount(readMounts(h.mountinfo), dir)
	if !ok || !m.fuse() {
		m = mountEntry{dir: dir, fstype: "fuse"}
	}
	switch {
	case errors.Is(err, syscall.ENOTCONN):
		return fmt.Errorf("fusefs: %s is a mount whose program has died (%s, %s); clear it with: %s", m.dir, m.fstype, err, h.clearCommand(m.dir))
	case errors.Is(err, iofs.ErrPermission) && m.dir == dir:
		return h.occupied(m)
	}
	return fmt.Errorf("fusefs: mount point %s: %w", dir, err)
}

// occupied says which file system is mounted already, and how to unmount it if it is one of ours.
func (h host) occupied(m mountEntry) error {
	if !m.fuse() {
		return fmt.Errorf("fusefs: %s is already a mount point: %s of type %s; choose another directory", m.dir, m.source, m.fstype)
	}
	return fmt.Errorf("fusefs: %s is already mounted: %s of type %s; unmount it with: %s", m.dir, m.source, m.fstype, h.unmountCommand(m.dir))
}

// clearCommand is the command that removes a mount that nobody serves.
func (h host) clearCommand(dir string) string {
	if h.root {
		return "umount -l " + ShellQuote(dir)
	}
	return "fusermount3 -uz " + ShellQuote(dir)
}

// unmountCommand is the command that removes a mount in order.
func (h host) unmountCommand(dir string) string {
	if h.root {
		return "umount " + ShellQuote(dir)
	}
	return "fusermount3 -u " + ShellQuote(dir)
}
