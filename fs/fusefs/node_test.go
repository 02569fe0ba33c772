//go:build linux

package fusefs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"log/slog"
	"math"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"memlens/fs"
)

func testTree(fsys iofs.FS) (*tree, *bytes.Buffer) {
	var log bytes.Buffer
	return newTree(fsys, Options{UID: 7, GID: 8, Logger: slog.New(slog.NewTextHandler(&log, nil))}), &log
}

func TestErrno(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		want   syscall.Errno
		logged bool
	}{
		{"none", nil, 0, false},
		{"absent", &iofs.PathError{Op: "open", Path: "x", Err: iofs.ErrNotExist}, syscall.ENOENT, false},
		{"absent on the host", fmt.Errorf("fs: %w", &iofs.PathError{Err: syscall.ENOENT}), syscall.ENOENT, false},
		{"refused", os.ErrPermission, syscall.EACCES, false},
		{"read-only", fmt.Errorf("fs: %w", syscall.EROFS), syscall.EROFS, false},
		{"invalid", iofs.ErrInvalid, syscall.EINVAL, false},
		{"too many open files", &iofs.PathError{Err: syscall.EMFILE}, syscall.EMFILE, false},
		{"cut off", io.ErrUnexpectedEOF, syscall.EIO, true},
		{"damaged", errors.New("pedump: header page is missing"), syscall.EIO, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree, log := testTree(fstest.MapFS{})
			if got := tree.errno("open", "x", c.err); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
			if (log.Len() > 0) != c.logged {
				t.Errorf("log: %q", log)
			}
		})
	}
}

func TestDamageIsReportedOnce(t *testing.T) {
	tree, log := testTree(fstest.MapFS{})
	for i := range 2 * maxReports {
		tree.errno("read", fmt.Sprint(i), io.ErrUnexpectedEOF)
		tree.errno("read", fmt.Sprint(i), io.ErrUnexpectedEOF)
	}
	if n := strings.Count(log.String(), "\n"); n != maxReports {
		t.Errorf("%d lines, want %d", n, maxReports)
	}
}

// info is a FileInfo with the given particulars.
type info struct {
	size int64
	dir  bool
	time time.Time
	sys  any
}

func (i info) Name() string        { return "x" }
func (i info) Size() int64         { return i.size }
func (i info) Mode() iofs.FileMode { return 0o777 }
func (i info) ModTime() time.Time  { return i.time }
func (i info) IsDir() bool         { return i.dir }
func (i info) Sys() any            { return i.sys }

func TestFillAttr(t *testing.T) {
	tree, _ := testTree(nil)
	at := time.Unix(1227685381, 5)
	ancient := time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		fi   info
		want fuse.Attr
	}{
		{"file", info{5000, false, at, &fs.Attr{Ino: 9, Blocks: 8}}, fuse.Attr{Ino: 9, Mode: syscall.S_IFREG | 0o444, Size: 5000, Blocks: 8, Mtime: 1227685381, Mtimensec: 5}},
		{"attributes by value", info{5000, false, at, fs.Attr{Ino: 9}}, fuse.Attr{Ino: 9, Mode: syscall.S_IFREG | 0o444, Size: 5000, Mtime: 1227685381, Mtimensec: 5}},
		{"directory", info{0, true, at, &fs.Attr{Ino: 10}}, fuse.Attr{Ino: 10, Mode: syscall.S_IFDIR | 0o755, Size: blockSize, Mtime: 1227685381, Mtimensec: 5}},
		{"no time", info{1, false, time.Time{}, &fs.Attr{Ino: 9}}, fuse.Attr{Ino: 9, Mode: syscall.S_IFREG | 0o444, Size: 1}},
		{"before 1970", info{1, false, ancient, &fs.Attr{Ino: 9}}, fuse.Attr{Ino: 9, Mode: syscall.S_IFREG | 0o444, Size: 1, Mtime: uint64(ancient.Unix())}},
		{"negative sizes", info{-1, false, at, &fs.Attr{Ino: 9, Blocks: -8}}, fuse.Attr{Ino: 9, Mode: syscall.S_IFREG | 0o444, Mtime: 1227685381, Mtimensec: 5}},
		{"attributes of another kind", info{513, false, at, nil}, fuse.Attr{Ino: safeIno(0, "d/x"), Mode: syscall.S_IFREG | 0o444, Size: 513, Blocks: 2, Mtime: 1227685381, Mtimensec: 5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := c.want
			want.Blksize, want.Nlink, want.Owner = 4096, 1, fuse.Owner{Uid: 7, Gid: 8}
			want.Atime, want.Ctime, want.Atimensec, want.Ctimensec = want.Mtime, want.Mtime, want.Mtimensec, want.Mtimensec
			var got fuse.Attr
			tree.fillAttr(&got, "d/x", c.fi)
			if got != want {
				t.Errorf("%+v\nwant %+v", got, want)
			}
		})
	}
}

func TestFillStatxBirth(t *testing.T) {
	tree, _ := testTree(nil)
	for birth, known := range map[time.Time]bool{{}: false, treeBirth: true} {
		var got fuse.Statx
		tree.fillStatx(&got, "x", info{size: 3, time: treeTime, sys: &fs.Attr{Ino: 9, Birth: birth}})
		if (got.Mask&unix.STATX_BTIME != 0) != known || known && got.Btime.Sec != uint64(birth.Unix()) {
			t.Errorf("%v: mask %#x, birth %+v", birth, got.Mask, got.Btime)
		}
		if got.Size != 3 || got.Mtime.Sec != uint64(treeTime.Unix()) || got.Mask&unix.STATX_BASIC_STATS != unix.STATX_BASIC_STATS {
			t.Errorf("%+v", got)
		}
	}
}

func TestSafeIno(t *testing.T) {
	if got := safeIno(77, "."); got != rootIno {
		t.Errorf("root: %d", got)
	}
	if got := safeIno(77, "x"); got != 77 {
		t.Errorf("a number of the tree: %d", got)
	}
	for _, reserved := range []uint64{0, rootIno, math.MaxUint64} {
		got := safeIno(reserved, "x")
		if got <= rootIno || got >= 1<<63 || got != safeIno(0, "x") || got == safeIno(0, "y") {
			t.Errorf("instead of %d: %d", reserved, got)
		}
	}
}

// A tree that knows nothing of the optional interfaces can be listed and read.
func TestPlainFS(t *testing.T) {
	tree, _ := testTree(fstest.MapFS{"a/b.txt": {Data: []byte("text")}})
	a, _ := tree.nodes.find(tree.nodes.tell(root, "a", 5))
	d, errno := openDir(t.Context(), tree, a)
	if errno != 0 {
		t.Fatal(errno)
	}
	if got := listing(d, 0); got != "1 ., 2 .., 3 b.txt" {
		t.Error(got)
	}
	f, err := openFile(t.Context(), tree, "a/b.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got, errno := f.read(t.Context(), make([]byte, 10), 1); string(got) != "ext" || errno != 0 {
		t.Errorf("%q, %v", got, errno)
	}
	tree.Release(nil, &fuse.ReleaseIn{Fh: tree.files.add(f)})
	if tree.files.get(1) != nil {
		t.Error("it is still open")
	}
}

// listing is the entries of a directory from an offset on.
func listing(d *dir, off uint64) string {
	var names []string
	for e, _, ok := d.entry(off); ok; e, _, ok = d.entry(e.Off) {
		names = append(names, fmt.Sprintf("%d %s", e.Off, e.Name))
	}
	return strings.Join(names, ", ")
}

func TestListFromOffset(t *testing.T) {
	tree, _ := testTree(fstest.MapFS{"a": {}, "b": {}})
	d, errno := openDir(t.Context(), tree, root)
	if errno != 0 {
		t.Fatal(errno)
	}
	for off, want := range map[uint64]string{0: "1 ., 2 .., 3 a, 4 b", 2: "3 a, 4 b", 3: "4 b", 4: "", 5: "", math.MaxUint64: ""} {
		if got := listing(d, off); got != want {
			t.Errorf("from %d: %q, want %q", off, got, want)
		}
	}
}
