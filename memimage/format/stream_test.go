package format

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"memlens/memimage/reason"
)

// TestStream reads streams of several lengths and paces; what was copied has their bytes, and nothing is left in the folder.
func TestStream(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 7))
	for _, size := range []int{1, pageSize - 1, pageSize, spoolChunk, spoolChunk + 1, 3*spoolChunk + 5} {
		want := make([]byte, size)
		for i := 0; i < size; i += 2 * pageSize { // with holes between
			for j := i; j < min(size, i+pageSize); j++ {
				want[j] = byte(random.Uint32())
			}
		}
		dir, told := t.TempDir(), int64(0)
		s, err := NewStream(iotest.HalfReader(bytes.NewReader(want)), "stdin", Options{SpoolDir: dir, Progress: func(done, _ int64) { told = done }})
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, size)
		if _, err := s.ReadAt(got, 0); err != nil && err != io.EOF || !bytes.Equal(got, want) || s.Size() != int64(size) || told != int64(size) || s.Name() != "stdin" {
			t.Errorf("%d bytes: other bytes, or %v; size %d, told %d", size, err, s.Size(), told)
		}
		if _, err := s.Beside("x"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("beside: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%v is left: %v", left, err)
		}
	}
}

// TestStreamOfAFile takes a regular file as it is, but for one that was read in part.
func TestStreamOfAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	for skip, want := range map[int64]string{0: "abcdef", 2: "cdef"} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		f.Seek(skip, io.SeekStart)
		dir := t.TempDir()
		if skip == 0 {
			dir = filepath.Join(dir, "none") // it needs none
		}
		s, err := NewStream(f, "stdin", Options{SpoolDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, s.Size())
		if s.ReadAt(got, 0); string(got) != want {
			t.Errorf("from %d: %q", skip, got)
		}
		s.Close()
		f.Close()
	}
}

// TestStreamThatFails: nothing is taken for an image that did not come to its end.
func TestStreamThatFails(t *testing.T) {
	cut := io.MultiReader(bytes.NewReader(make([]byte, 2*spoolChunk)), iotest.ErrReader(errors.New("the line is cut")))
	if _, err := NewStream(cut, "stdin", Options{SpoolDir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "(2 MiB): the line is cut") {
		t.Errorf("%v", err)
	}
	if _, err := NewStream(strings.NewReader(""), "stdin", Options{SpoolDir: t.TempDir()}); reason.Of(err).Code != reason.Empty {
		t.Errorf("of nothing: %v", err)
	}
	if _, err := NewStream(strings.NewReader("a"), "stdin", Options{SpoolDir: filepath.Join(t.TempDir(), "none")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a folder: %v", err)
	}
}
