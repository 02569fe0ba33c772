package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestOneExtractionAtATime starts a second extraction to a folder while one is at work there: it is stopped in the middle, so that
// it stays at work. The second one is refused and changes nothing. The first one then copies all.
func TestOneExtractionAtATime(t *testing.T) {
	image, _ := demo(t)
	dir := t.TempDir()
	whole, out := filepath.Join(dir, "whole"), filepath.Join(dir, "out")
	args := func(out string, more ...string) []string {
		return append([]string{"extract", image, "--out", out, "--pid", "3256"}, more...)
	}
	succeeds(t, args(whole)...)
	first := program(t, args(out)...)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	defer first.Process.Kill()
	eventually(t, "a file is copied", func() bool { return len(filesIn(out)) > 0 })
	stop(t, first.Process)
	there := filesIn(out)
	for _, more := range [][]string{nil, {"--resume"}} {
		refused(t, []string{fmt.Sprintf("another memlens extract is at work in it (process %d on ", first.Process.Pid), "wait until it ends"}, args(out, more...)...)
	}
	if now := filesIn(out); !slices.Equal(now, there) {
		t.Errorf("what is refused changes the folder: %q, %q", there, now)
	}
	first.Process.Signal(syscall.SIGCONT)
	if err := first.Wait(); err != nil {
		t.Fatal(err)
	}
	tool(t, "diff", "-r", whole, out)
}

// stop stops a program, and returns when all its threads have stopped.
func stop(t *testing.T, p *os.Process) {
	t.Helper()
	p.Signal(syscall.SIGSTOP)
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(p.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("the program has not stopped: %v, status %#x", err, status)
	}
}

// TestManyExtractionsAtOnce starts several extractions to a folder that does not exist. One copies all, the others are refused,
// and nothing but the copies is left.
func TestManyExtractionsAtOnce(t *testing.T) {
	image, _ := demo(t)
	dir := t.TempDir()
	whole, out := filepath.Join(dir, "whole"), filepath.Join(dir, "out")
	succeeds(t, "extract", image, "--out", whole, "--pid", "3256")
	ended := make(chan result)
	for range 4 {
		cmd := program(t, "extract", image, "--out", out, "--pid", "3256")
		go func() { ended <- finish(t, cmd) }()
	}
	done := 0
	for range 4 {
		switch r := <-ended; {
		case r.code == 0:
			done++
		case !strings.Contains(r.stderr, "another "):
			t.Errorf("status %d: %s", r.code, r.stderr)
		}
	}
	if done != 1 {
		t.Errorf("%d extractions say that they have copied all", done)
	}
	tool(t, "diff", "-r", whole, out)
}

// TestLockEndsWithTheProcess kills an extraction. The next one goes on.
func TestLockEndsWithTheProcess(t *testing.T) {
	image, _ := demo(t)
	out := filepath.Join(t.TempDir(), "out")
	args := []string{"extract", image, "--out", out, "--pid", "3256", "--resume"}
	stopAt(t, out, 1, syscall.SIGKILL, args...)
	if _, err := os.Stat(filepath.Join(out, lockName)); err != nil {
		t.Error(err)
	}
	succeeds(t, args...)
	if left := matches(t, filepath.Join(out, temporaryPrefix+"*")); left != nil {
		t.Errorf("it leaves %q", left)
	}
}

// TestLockIsNotWrittenThroughALink: a link with the name of the lock is refused, and its target is not made.
func TestLockIsNotWrittenThroughALink(t *testing.T) {
	image, _ := demo(t)
	out, target := t.TempDir(), filepath.Join(t.TempDir(), "target")
	if err := os.Symlink(target, filepath.Join(out, lockName)); err != nil {
		t.Fatal(err)
	}
	refused(t, []string{lockName + " is no file: remove it"}, "extract", image, "--out", out)
	if _, err := os.Lstat(target); !os.IsNotExist(err) {
		t.Errorf("the target: %v", err)
	}
}

// TestLockOfARemovedFile: who opened the file before its owner removed it has no lock of the folder.
func TestLockOfARemovedFile(t *testing.T) {
	dir := t.TempDir()
	first, err := lockFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	late, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	first.release()
	if l := (&folderLock{late}); tryLock(late) != nil || l.holds() {
		t.Error("a file that is no longer there locks the folder")
	}
	again, err := lockFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer again.release()
	if _, err := lockFolder(dir); err == nil || !strings.Contains(err.Error(), "another memlens extract is at work") {
		t.Errorf("a locked folder is locked again: %v", err)
	}
}

// TestReleaseLeavesAnotherLock: somebody removes the lock of an extraction that is at work, and another one begins. The first one
// leaves the lock of the other.
func TestReleaseLeavesAnotherLock(t *testing.T) {
	dir := t.TempDir()
	first, err := lockFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(first.file.Name()); err != nil {
		t.Fatal(err)
	}
	second, err := lockFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer second.release()
	first.release()
	if !second.holds() {
		t.Error("the lock of the second extraction is removed by the first one")
	}
}

// TestLockOverwritesNoOtherFile: the file with the name of the lock is a hard link to a file of the user.
func TestLockOverwritesNoOtherFile(t *testing.T) {
	dir, text := t.TempDir(), strings.Repeat("a file of the user\n", 100)
	other := writeFile(t, "notes.txt", []byte(text))
	if err := os.Link(other, filepath.Join(dir, lockName)); err != nil {
		t.Skip(err)
	}
	if l, err := lockFolder(dir); err == nil || !strings.Contains(err.Error(), lockName+" is not as the program writes it: remove it") {
		l.release()
		t.Errorf("it is taken for a lock: %v", err)
	}
	if got, err := os.ReadFile(other); err != nil || string(got) != text {
		t.Errorf("the file is changed to %d bytes, error %v", len(got), err)
	}
}
