//go:build linux

package fusefs

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestUnsized: the kernel learns the size of a file as soon as anybody wants it, and whoever copies the file without asking gets
// all of it. Each way has its own file, and each is tried twice.
func TestUnsized(t *testing.T) {
	s := start(t)
	for name, copied := range map[string]func(f *os.File) ([]byte, error){
		"late/stat": func(f *os.File) ([]byte, error) {
			info, err := f.Stat()
			if err != nil {
				return nil, err
			}
			p := make([]byte, info.Size())
			_, err = f.ReadAt(p, 0)
			return p, err
		},
		"late/read":     func(f *os.File) ([]byte, error) { return readOnly(f) },
		"late/sendfile": sendFile,
		"late/mmap": func(f *os.File) ([]byte, error) {
			info, err := f.Stat()
			if err != nil {
				return nil, err
			}
			p, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
			if err != nil {
				return nil, err
			}
			defer unix.Munmap(p)
			return bytes.Clone(p), nil
		},
		"late/seek": func(f *os.File) ([]byte, error) {
			end, err := f.Seek(0, io.SeekEnd)
			if err != nil {
				return nil, err
			}
			p := make([]byte, end)
			_, err = f.ReadAt(p, 0)
			return p, err
		},
	} {
		for range 2 {
			fd, err := syscall.Open(s.path(name), syscall.O_RDONLY, 0) // os.Open asks for the attributes
			if err != nil {
				t.Fatal(err)
			}
			f := os.NewFile(uintptr(fd), name)
			got, err := copied(f)
			if err != nil || !bytes.Equal(got, content(name)) {
				t.Errorf("%s: %d bytes that are not the file's, %v", name, len(got), err)
			}
			f.Close()
		}
	}
	if got := run(t, "cat", s.path("late/cat")); got != string(content("late/cat")) {
		t.Errorf("cat: %d bytes that are not the file's", len(got))
	}
}

// TestUnsizedLooksTheSame: stat shows the same facts when the size was found late, whether a name was looked up before
// or not.
func TestUnsizedLooksTheSame(t *testing.T) {
	s := start(t)
	if _, err := os.Stat(s.path("late/list") + "/below"); err == nil {
		t.Fatal("there is something in a file") // this has looked up the name and nothing else
	}
	for range 2 {
		info, err := os.Stat(s.path("late/list"))
		if err != nil || info.Size() != int64(len(content("late/list"))) || info.Mode() != 0o444 {
			t.Errorf("%v, %v", info, err)
		}
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Blocks != (info.Size()+sector-1)/sector {
			t.Errorf("%+v", info.Sys())
		}
	}
}

// readOnly reads a file with read(2) alone, as a program may that never asks for the size.
func readOnly(f *os.File) ([]byte, error) {
	var out []byte
	p := make([]byte, 100000)
	for {
		n, err := syscall.Read(int(f.Fd()), p)
		if n <= 0 {
			return out, err
		}
		out = append(out, p[:n]...)
	}
}

// sendFile copies a file inside of the kernel, with sendfile(2) alone.
func sendFile(f *os.File) ([]byte, error) {
	dir, err := os.MkdirTemp("", "unsized")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	to, err := os.Create(filepath.Join(dir, "copy"))
	if err != nil {
		return nil, err
	}
	defer to.Close()
	for {
		n, err := syscall.Sendfile(int(to.Fd()), int(f.Fd()), nil, 1<<20)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return os.ReadFile(to.Name())
		}
	}
}
