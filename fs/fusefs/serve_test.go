//go:build linux

package fusefs

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestServeEndsOn(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			s := start(t)
			s.signal(sig)
			ended(t, s)
		})
	}
	t.Run("end of context", func(t *testing.T) {
		ended(t, start(t, env("FUSEFS_TEST_END", "300ms")))
	})
	t.Run("umount by another", func(t *testing.T) {
		needRoot(t)
		s := start(t)
		run(t, "umount", s.dir)
		ended(t, s)
	})
}

// ended checks that the server ended in order and left nothing behind.
func ended(t *testing.T, s *server) {
	t.Helper()
	if err := s.wait(); err != nil {
		t.Errorf("the server ended with %v, and said: %s", err, s.log)
	}
	if mounted(s.dir) {
		t.Errorf("%s is still mounted", s.dir)
	}
}

func TestServeIgnoresWhatNohupIgnores(t *testing.T) {
	needTool(t, "nohup")
	s := start(t, func(c *exec.Cmd) {
		nohup, _ := exec.LookPath("nohup")
		c.Path, c.Args = nohup, []string{"nohup", c.Path}
	})
	s.signal(syscall.SIGHUP)
	time.Sleep(300 * time.Millisecond)
	if _, err := os.ReadFile(s.path("hello.txt")); err != nil {
		t.Error(err)
	}
	s.signal(syscall.SIGTERM)
	ended(t, s)
}

func TestServeNamesItsUsers(t *testing.T) {
	for name, use := range map[string]func(t *testing.T, s *server) (says string, stop func()){
		"open file": func(t *testing.T, s *server) (string, func()) {
			f, err := os.Open(s.path("sub/dir/deep.txt"))
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("(pid %d: has open sub/dir/deep.txt)", os.Getpid()), func() { f.Close() }
		},
		"mapped file": func(t *testing.T, s *server) (string, func()) {
			f, err := os.Open(s.path("big.bin"))
			if err != nil {
				t.Fatal(err)
			}
			p, err := unix.Mmap(int(f.Fd()), 0, pageSize, unix.PROT_READ, unix.MAP_SHARED)
			f.Close()
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("(pid %d: has mapped big.bin)", os.Getpid()), func() { _ = unix.Munmap(p) }
		},
		"working directory": func(t *testing.T, s *server) (string, func()) {
			c := exec.Command("sleep", "60")
			c.Dir = s.path("sub")
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("sleep (pid %d: working directory sub)", c.Process.Pid), func() {
				_ = c.Process.Kill()
				_ = c.Wait()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			says, stop := use(t, s)
			defer stop()
			s.signal(syscall.SIGTERM)
			s.says("is in use")
			s.says(says)
			if !mounted(s.dir) {
				t.Error("the mount was taken away from its user")
			}
			stop()
			ended(t, s)
		})
	}
}

func TestServeDetachesOnSecondSignal(t *testing.T) {
	s := start(t)
	f := detached(t, s)
	got := make([]byte, 5)
	if _, err := f.ReadAt(got, 3<<20); err != nil || string(got) != string(content("big.bin")[3<<20:3<<20+5]) {
		t.Errorf("read after the mount was taken away: %q, %v", got, err)
	}
	f.Close()
	ended(t, s)
}

func TestServeEndsOnThirdSignal(t *testing.T) {
	s := start(t)
	f := detached(t, s)
	defer f.Close()
	s.signal(syscall.SIGINT)
	var failed *exec.ExitError
	if err := s.wait(); !errors.As(err, &failed) || failed.ExitCode() != 1 {
		t.Errorf("the server ended with %v", err)
	}
	s.says("its readers get errors")
}

// detached signals the server twice while a file is open.
func detached(t *testing.T, s *server) *os.File {
	t.Helper()
	f, err := os.Open(s.path("big.bin"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	s.signal(syscall.SIGINT)
	s.says("is in use")
	s.signal(syscall.SIGINT)
	s.says("is unmounted")
	if mounted(s.dir) {
		t.Error("still mounted")
	}
	return f
}

// A mount that has been mounted over must not cost the other its place.
func TestServeLeavesOthersMounts(t *testing.T) {
	needRoot(t)
	s := start(t)
	if err := unix.Mount("other", s.dir, "tmpfs", 0, ""); err != nil {
		t.Skip(err)
	}
	s.signal(syscall.SIGTERM)
	s.says("other of type tmpfs has been mounted over " + s.dir)
	if m, _ := topMount(readMounts("/proc/self/mountinfo"), s.dir); m.fstype != "tmpfs" {
		t.Fatalf("%+v is on top", m)
	}
	run(t, "umount", s.dir)
	ended(t, s)
}

func TestServeNamesMountsInside(t *testing.T) {
	needRoot(t)
	s := start(t)
	if err := unix.Mount("other", s.path("sub"), "tmpfs", 0, ""); err != nil {
		t.Skip(err)
	}
	s.signal(syscall.SIGTERM)
	s.says("mount on " + s.path("sub"))
	run(t, "umount", s.path("sub"))
	ended(t, s)
}

// Nobody reads the server's output any more: it goes on serving.
func TestServeOutlivesItsReader(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, func(c *exec.Cmd) { c.Stderr = w })
	w.Close()
	r.Close()
	for _, name := range []string{"damaged.bin", "shrunk.bin", "panic.bin"} { // each makes it say something
		if _, err := os.ReadFile(s.path(name)); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.ReadFile(s.path("hello.txt")); err != nil {
		t.Error(err)
	}
	s.signal(syscall.SIGTERM)
	ended(t, s)
}

func TestStaleMountIsExplained(t *testing.T) {
	s := start(t)
	s.signal(syscall.SIGKILL)
	_ = s.wait()
	for _, dir := range []string{s.dir, s.path("sub")} {
		err := Preflight(dir, Options{})
		if err == nil {
			t.Fatalf("%s passes for a mount point", dir)
		}
		if want := "a mount whose program has died"; !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q in it", err, want)
		}
	}
	remedy := Preflight(s.dir, Options{}).Error()
	_, command, ok := strings.Cut(remedy, "clear it with: ")
	if !ok {
		t.Fatal(remedy)
	}
	run(t, "sh", "-c", command)
	if err := Preflight(s.dir, Options{}); err != nil {
		t.Errorf("after %q: %v", command, err)
	}
}

func TestPreflightMounted(t *testing.T) {
	s := start(t)
	err := Preflight(s.dir, Options{})
	if err == nil || !strings.Contains(err.Error(), "is already mounted: /cases/xp, copy.raw of type fuse.memlens; unmount it with: ") {
		t.Errorf("%v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(s.dir, link); err != nil {
		t.Fatal(err)
	}
	if err := Preflight(link, Options{}); err == nil || !strings.Contains(err.Error(), s.dir+" is already mounted") {
		t.Errorf("through a link: %v", err)
	}
	if err := Preflight("/proc", Options{}); err == nil || !strings.Contains(err.Error(), "/proc is already a mount point: proc of type proc") {
		t.Errorf("%v", err)
	}
}

// An ordinary user mounts by way of fusermount3.
func TestServeAsOrdinaryUser(t *testing.T) {
	if !inOwnNamespace(t) {
		return
	}
	dir, nobody := asNobody(t)
	t.Run("serves and unmounts", func(t *testing.T) {
		s := startOn(t, dir, nobody)
		if out, err := nobodyRuns("cat", s.path("hello.txt")); err != nil || out != "hello\n" {
			t.Errorf("%q, %v", out, err)
		}
		if out, err := nobodyRuns("touch", s.path("new")); err == nil || !strings.Contains(out, "Read-only") {
			t.Errorf("touch: %q, %v", out, err)
		}
		if out, err := nobodyRuns("grep", " "+dir+" ", "/proc/mounts"); err != nil || !strings.Contains(out, " fuse.memlens ro,nosuid,nodev,noexec,") {
			t.Errorf("%q, %v", out, err)
		}
		if err := Preflight(dir, Options{}); err == nil || !strings.Contains(err.Error(), "is already mounted") {
			t.Errorf("as seen by root: %v", err)
		}
		s.signal(syscall.SIGINT)
		ended(t, s)
	})
	t.Run("busy, then detached", func(t *testing.T) {
		s := startOn(t, dir, nobody)
		c := exec.Command("tail", "-f", s.path("hello.txt"))
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
		_, _ = bufio.NewReader(out).ReadString('\n')
		s.signal(syscall.SIGTERM)
		s.says(fmt.Sprintf("tail (pid %d: has open hello.txt)", c.Process.Pid))
		s.signal(syscall.SIGTERM)
		s.says("is unmounted")
		_ = c.Process.Kill()
		ended(t, s)
	})
}

func TestUserMountRefused(t *testing.T) {
	if !inOwnNamespace(t) {
		return
	}
	dir, nobody := asNobody(t)
	for _, c := range []struct {
		name, dir, says string
		change          func(*exec.Cmd)
	}{
		{"directory of another", t.TempDir(), "", nobody},
		{"allow other", dir, "must hold the line user_allow_other", env("FUSEFS_TEST_ALLOW_OTHER", "1")},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.says != "" && thisHost().userAllowOther() {
				t.Skip("this system lets users allow others")
			}
			cmd := exec.Command("")
			nobody(cmd)
			cmd.Err = nil
			cmd.Args = []string{cmd.Path}
			cmd.Env = append(os.Environ(), serveEnv+"="+c.dir)
			c.change(cmd)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), c.says) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// A container that was started while the mount was there keeps a copy of it.
func TestServeNamesOtherNamespaces(t *testing.T) {
	needRoot(t)
	needTool(t, "unshare")
	s := start(t)
	c := exec.Command("unshare", "-m", "sh", "-c", "echo; exec sleep 60")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(func() { _ = c.Process.Kill(); _ = c.Wait() })
	defer stop()
	_, _ = bufio.NewReader(out).ReadString('\n')
	s.signal(syscall.SIGTERM)
	s.says("another mount namespace")
	if mounted(s.dir) {
		t.Error("still mounted here")
	}
	stop()
	ended(t, s)
}
