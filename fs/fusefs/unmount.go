//go:build linux

package fusefs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The two ways to unmount: only if nobody uses the mount; or at once, out of sight, with
// its users served until they leave.
const (
	orderly = 0
	lazy    = unix.MNT_DETACH
)

// unmountPatiently tries a few times within a fifth of a second.
func (s *Server) unmountPatiently() error {
	var err error
	for pause := 10 * time.Millisecond; pause < 200*time.Millisecond; pause *= 2 {
		if err = s.unmount(orderly); !errors.Is(err, unix.EBUSY) {
			return err
		}
		time.Sleep(pause)
	}
	return err
}

// unmount unmounts the file system on dir, if it belongs to this server. A mount that is gone already is no error.
func (s *Server) unmount(how int) error {
	m, ok := topMount(readMounts(s.host.mountinfo), s.dir)
	switch {
	case !ok:
		return nil
	case m.dev != s.dev:
		return fmt.Errorf("fusefs: %s of type %s has been mounted over %s; unmount that first, with: %s", m.source, m.fstype, s.dir, s.host.unmountCommand(s.dir))
	case s.host.root:
		if err := unix.Unmount(s.dir, unix.UMOUNT_NOFOLLOW|how); err != nil {
			return fmt.Errorf("fusefs: unmounting %s: %w", s.dir, err)
		}
		return nil
	}
	return s.askHelper(how)
}

// askHelper has fusermount unmount. If it fails, it reports only a sentence.
func (s *Server) askHelper(how int) error {
	helper, err := s.host.helper()
	if err != nil {
		return fmt.Errorf("fusefs: unmounting %s: %w", s.dir, err)
	}
	args := []string{"-u"}
	if how == lazy {
		args = append(args, "-z")
	}
	cmd := exec.Command(helper, append(args, s.dir)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // out of reach of the Ctrl-C that brought us here
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if bytes.Contains(out, []byte("busy")) {
		err = unix.EBUSY
	}
	return fmt.Errorf("fusefs: unmounting %s: %s: %w", s.dir, bytes.TrimSpace(out), err)
}
