//go:build linux

package fusefs

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReadAhead looks at how much the kernel asks for at a time of a mount.
func TestReadAhead(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can tell the kernel")
	}
	s := start(t)
	m, ok := topMount(readMounts(thisHost().mountinfo), s.dir)
	if !ok {
		t.Fatal("it is not mounted")
	}
	file := filepath.Join(thisHost().bdi, m.dev, "read_ahead_kb")
	if f, err := os.OpenFile(file, os.O_WRONLY, 0); err != nil {
		t.Skipf("the system does not let it be set: %v", err)
	} else {
		f.Close()
	}
	got, err := os.ReadFile(file)
	if err != nil || strings.TrimSpace(string(got)) != "512" {
		t.Errorf("the kernel reads ahead %q KiB, %v; want 512", got, err)
	}
}

// TestReadAheadThatCannotBeSet is mounted all the same.
func TestReadAheadThatCannotBeSet(t *testing.T) {
	dir := t.TempDir()
	for _, bdi := range []string{dir, filepath.Join(dir, "none"), ""} {
		host{bdi: bdi}.setReadAhead("0:99")
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("files were made: %v, %v", files, err)
	}
}

// TestPipeOfAFileThatIsCut shows why no file is handed to the kernel through a pipe (splice): the pipe has the page of
// the file itself, not a copy. When the file is cut before the kernel has taken the page, zeros come out.
func TestPipeOfAFileThatIsCut(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data := bytes.Repeat([]byte{0x5a}, pageSize)
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	if n, err := syscall.Splice(int(f.Fd()), new(int64), pipe[1], nil, pageSize, 0); err != nil || n != pageSize {
		t.Fatalf("splice: %d, %v", n, err)
	}
	if err := f.Truncate(100); err != nil {
		t.Fatal(err)
	}
	out := make([]byte, pageSize)
	if n, err := unix.Read(pipe[0], out); err != nil || n != pageSize {
		t.Fatalf("the pipe holds %d bytes, %v", n, err)
	}
	if bytes.Equal(out, data) {
		t.Skip("this file system gave a copy")
	}
	if !bytes.Equal(out[100:], make([]byte, pageSize-100)) {
		t.Error("neither what was read nor zeros")
	}
}
