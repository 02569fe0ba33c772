//go:build linux

package fusefs

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// reading starts a program that reads the file whose making never ends, and waits until it does.
func reading(t *testing.T, s *server) *exec.Cmd {
	t.Helper()
	needTool(t, "cat")
	c := exec.Command("cat", s.path("slow.bin"))
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() })
	s.says("work began")
	return c
}

// TestWorkEndsWithTheMount asks the server to end while a reader waits for work.
func TestWorkEndsWithTheMount(t *testing.T) {
	s := start(t)
	c := reading(t, s)
	s.signal(syscall.SIGTERM)
	ended(t, s)
	if err := c.Wait(); err == nil {
		t.Error("the reader did not get to know")
	}
	if !strings.Contains(s.log.String(), "work ended") || strings.Contains(s.log.String(), "cannot read") {
		t.Errorf("the server said: %s", s.log)
	}
}

// TestWorkEndsWithItsReader interrupts a reader that waits for work.
func TestWorkEndsWithItsReader(t *testing.T) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil || !mapsDirect(unix.ByteSliceToString(u.Release[:])) {
		t.Skip("needs Linux 6.6")
	}
	s := start(t)
	c := reading(t, s)
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	s.says("work ended")
	_ = c.Wait()
	s.signal(syscall.SIGTERM)
	ended(t, s)
}

// mapsDirect reports whether a release of Linux maps files that are read past the page cache.
func mapsDirect(release string) bool {
	major, rest, _ := strings.Cut(release, ".")
	minor, _, _ := strings.Cut(rest, ".")
	pad := func(s string) string { return strings.Repeat("0", max(0, 4-len(s))) + s }
	return pad(major)+pad(minor) >= "00060006"
}

// TestSlowFilesCanBeMapped maps a file that is read past the page cache.
func TestSlowFilesCanBeMapped(t *testing.T) {
	s := start(t)
	fd, err := unix.Open(s.path("slow.bin"), unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	p, err := unix.Mmap(fd, 0, 4, unix.PROT_READ, unix.MAP_SHARED)
	unix.Close(fd)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Munmap(p); err != nil {
		t.Fatal(err)
	}
}
