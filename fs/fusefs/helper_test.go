//go:build linux

package fusefs

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
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

// A process must not use a mount that it serves. So the test binary starts itself once
// more to serve one: with its mount point in this variable, it is a server.
const serveEnv = "FUSEFS_TEST_SERVE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serveEnv); dir != "" {
		os.Exit(serveForTest(dir))
	}
	os.Exit(m.Run())
}

func serveForTest(dir string) int {
	o := Options{
		FsName: "/cases/xp, copy.raw", UID: uint32(os.Getuid()), GID: uint32(os.Getgid()),
		AllowOther: os.Getenv("FUSEFS_TEST_ALLOW_OTHER") != "",
		Logger:     slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	tree := newMemTree()
	ctx := context.Background()
	if d, err := time.ParseDuration(os.Getenv("FUSEFS_TEST_END")); err == nil {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	err := Serve(ctx, dir, tree, o, func(s *Server) { fmt.Println("ready", s.Dir()) })
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// server is a process that serves the test's tree.
type server struct {
	t   testing.TB
	dir string
	cmd *exec.Cmd
	log *lockedBuffer

	ended chan struct{} // closed when the process has ended, with err
	err   error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start serves the tree on a new directory and waits until it is ready. Each change may
// alter how the process is started.
func start(t testing.TB, changes ...func(*exec.Cmd)) *server {
	t.Helper()
	needFUSE(t)
	return startOn(t, t.TempDir(), changes...)
}

func startOn(t testing.TB, dir string, changes ...func(*exec.Cmd)) *server {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, dir: dir, cmd: exec.Command(self), log: &lockedBuffer{}, ended: make(chan struct{})}
	s.cmd.Env = append(os.Environ(), serveEnv+"="+dir)
	s.cmd.Stderr = s.log
	for _, change := range changes {
		change(s.cmd)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	go func() {
		_, _ = io.Copy(io.Discard, out)
		s.err = s.cmd.Wait()
		close(s.ended)
	}()
	t.Cleanup(s.kill)
	if line != "ready "+dir+"\n" {
		t.Fatalf("the server said %q, and on stderr: %s", line, s.log)
	}
	return s
}

// env returns a change that sets a variable.
func env(name, value string) func(*exec.Cmd) {
	return func(c *exec.Cmd) { c.Env = append(c.Env, name+"="+value) }
}

func (s *server) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// wait returns how the process ended, and fails if it does not.
func (s *server) wait() error {
	s.t.Helper()
	select {
	case <-s.ended:
		return s.err
	case <-time.After(20 * time.Second):
		s.t.Fatalf("the server does not end; it said: %s", s.log)
		return nil
	}
}

// kill ends a server that the test has not ended.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
	if mounted(s.dir) {
		_ = exec.Command("umount", "-l", s.dir).Run()
	}
}

// says waits until the server has logged want.
func (s *server) says(want string) {
	s.t.Helper()
	eventually(s.t, func() bool { return strings.Contains(s.log.String(), want) },
		func() string { return fmt.Sprintf("the server does not say %q, but: %s", want, s.log) })
}

func (s *server) path(name string) string { return filepath.Join(s.dir, name) }

func mounted(dir string) bool {
	_, ok := topMount(readMounts("/proc/self/mountinfo"), dir)
	return ok
}

func eventually(t testing.TB, ok func() bool, complaint func() string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(complaint())
		}
	}
}

// run runs a tool and returns its output.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	needTool(t, name)
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func needTool(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		skip(t, name+" is not installed")
	}
}

// needFUSE skips the test where nothing can be mounted.
func needFUSE(t testing.TB) {
	t.Helper()
	if err := thisHost().checkFUSE(Options{}); err != nil {
		skip(t, err.Error())
	}
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

func skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("MEMLENS_REQUIRE_TOOLS") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// inOwnNamespace reports whether the test may go on as it is: /dev/fuse is open to all
// users, as it is on most systems. If it is not, the test is run by another process, in a
// mount namespace with a device that is.
func inOwnNamespace(t *testing.T) bool {
	t.Helper()
	needRoot(t)
	if fi, err := os.Stat("/dev/fuse"); err == nil && fi.Mode()&6 == 6 {
		return true
	}
	const inside = "FUSEFS_TEST_INSIDE"
	if os.Getenv(inside) != "" {
		openDeviceToAll(t)
		return true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, "-test.v", "-test.run=^"+t.Name()+"$")
	c.Env = append(os.Environ(), inside+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("in a mount namespace: %v\n%s", err, out)
	}
	return false
}

func openDeviceToAll(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("dev", dir, "tmpfs", 0, "mode=755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	run(t, "mknod", "-m", "666", dir+"/fuse", "c", "10", "229")
	if err := unix.Mount(dir+"/fuse", "/dev/fuse", "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount("/dev/fuse", unix.MNT_DETACH) })
}

// asNobody returns a mount point of an ordinary user, for whom fusermount3 mounts, and a
// change that runs the server as this user.
func asNobody(t testing.TB) (string, func(*exec.Cmd)) {
	t.Helper()
	needRoot(t)
	needTool(t, "fusermount3")
	const nobody = 65534
	top, err := os.MkdirTemp("", "fusefs-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(top) })
	bin, dir := filepath.Join(top, "server"), filepath.Join(top, "mnt")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run(t, "cp", self, bin)
	run(t, "chmod", "755", top, bin)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	return dir, func(c *exec.Cmd) {
		c.Path = bin
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
}

// nobodyRuns runs a tool as the user of asNobody.
func nobodyRuns(name string, args ...string) (string, error) {
	c := exec.Command(name, args...)
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := c.CombinedOutput()
	return string(out), err
}
