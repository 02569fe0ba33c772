//go:build linux

package fusefs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	iofs "io/fs"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"memlens/fs"
)

// memTree is a small tree that implements every interface fusefs knows.
type memTree struct {
	files map[string]*memFile // by path
	list  map[string][]iofs.DirEntry
}

// memFile is a file of a memTree, open or not, and its own FileInfo and DirEntry.
type memFile struct {
	path     string
	dir      bool
	size     int64
	data     io.ReaderAt
	holes    []span // sorted
	xattrs   map[string]string
	blocks   int64
	unlisted bool
	late     bool // see NameContext
}

type span struct{ off, end int64 }

var (
	treeTime  = time.Date(2008, 11, 26, 7, 43, 1, 5000, time.UTC)
	treeBirth = time.Date(2008, 11, 26, 7, 38, 53, 0, time.UTC)
)

const (
	pageSize   = 4096
	badPage    = 0x10000 // of damaged.bin
	manyFiles  = 10000
	hugeSize   = 1 << 40
	statfsFull = 12345 // blocks
)

// lateFiles have sizes that are found only when they are asked for: one file for each way to ask or not to ask, because
// the kernel remembers sizes.
var lateFiles = []string{"late/stat", "late/read", "late/sendfile", "late/mmap", "late/seek", "late/list", "late/cat"}

// newMemTree returns the tree of the tests. Files that no tool could copy without an error are there, but not listed.
func newMemTree() *memTree {
	t := &memTree{files: map[string]*memFile{}, list: map[string][]iofs.DirEntry{}}
	t.add(&memFile{path: ".", dir: true})
	t.bytes("hello.txt", []byte("hello\n"))
	t.bytes("empty", nil)
	t.bytes("big.bin", noise(5<<20+13))
	for _, n := range []int{1, 511, 4095, 4096, 4097, 131071, 131073} {
		t.bytes("sizes/"+strconv.Itoa(n), noise(n))
	}
	for _, name := range lateFiles {
		t.bytes(name, noise(3<<20+5)).late = true
	}
	t.bytes("sub/dir/deep.txt", []byte("deep\n"))
	t.bytes("names/with space, comma & 'quote'", []byte("1"))
	t.bytes("names/ünïcode-Ω-名", []byte("2"))
	t.bytes("names/"+strings.Repeat("n", 255), []byte("3"))
	t.bytes("names/control\x01\n", []byte("4"))
	t.add(&memFile{path: "many", dir: true, unlisted: true})
	for i := range manyFiles {
		t.bytes("many/"+strconv.Itoa(i), nil)
	}
	t.addSparse()
	t.addFaulty()
	return t
}

func (t *memTree) addSparse() {
	f := t.bytes("sparse.bin", slices.Concat(noise(0x10000), make([]byte, 0x20000), noise(0x10000), make([]byte, 0x8000)))
	f.holes = []span{{0x10000, 0x30000}, {0x40000, 0x48000}}
	f.blocks = 0x20000 / sector
	f.xattrs = map[string]string{"user.memlens.present": "32", "user.memlens.missing": "40", "user.memlens.empty": ""}
	t.files["sub"].xattrs = map[string]string{"user.memlens.kind": "directory"}
	t.add(&memFile{path: "huge.bin", size: hugeSize, data: zeros{}, holes: []span{{pageSize, hugeSize}}, blocks: 8, unlisted: true})
}

func (t *memTree) addFaulty() {
	data := noise(0x20000)
	t.add(&memFile{path: "damaged.bin", size: int64(len(data)), data: damaged{bytes.NewReader(data)}, unlisted: true})
	t.add(&memFile{path: "shrunk.bin", size: 2 * pageSize, data: bytes.NewReader(data[:pageSize]), unlisted: true})
	t.add(&memFile{path: "panic.bin", size: pageSize, data: panics{}, unlisted: true})
	t.add(&memFile{path: "worker.bin", size: pageSize, data: panicked{}, unlisted: true})
	t.add(&memFile{path: "unlisted.txt", size: 4, data: strings.NewReader("here"), unlisted: true})
	t.add(&memFile{path: "slow.bin", size: 4, data: slow{}, unlisted: true})
	t.add(&memFile{path: "opaque", size: 4, unlisted: true})
}

func (t *memTree) bytes(p string, data []byte) *memFile {
	f := &memFile{path: p, size: int64(len(data)), data: bytes.NewReader(data)}
	f.blocks = (f.size + sector - 1) / sector
	t.add(f)
	return f
}

// add adds a file and the directories above it.
func (t *memTree) add(f *memFile) {
	t.files[f.path] = f
	parent := path.Dir(f.path)
	if f.path == "." {
		return
	}
	if t.files[parent] == nil {
		t.add(&memFile{path: parent, dir: true})
	}
	if !f.unlisted {
		t.list[parent] = append(t.list[parent], f)
	}
}

func noise(n int) []byte {
	p := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(p)
	return p
}

func (t *memTree) find(op, p string) (*memFile, error) {
	if !iofs.ValidPath(p) {
		return nil, &iofs.PathError{Op: op, Path: p, Err: iofs.ErrInvalid}
	}
	if f := t.files[p]; f != nil {
		return f, nil
	}
	return nil, &iofs.PathError{Op: op, Path: p, Err: iofs.ErrNotExist}
}

// NameContext implements [fs.Namer].
func (t *memTree) NameContext(_ context.Context, p string) (iofs.FileInfo, bool, error) {
	f, err := t.find("stat", p)
	if err != nil || !f.late {
		return f, true, err
	}
	unsized := *f
	unsized.size, unsized.blocks = 0, 0
	return &unsized, false, nil
}

func (t *memTree) Stat(p string) (iofs.FileInfo, error) { return t.find("stat", p) }

func (t *memTree) ReadDir(p string) ([]iofs.DirEntry, error) { return t.list[p], nil }

func (t *memTree) Statfs() fs.StatfsInfo {
	return fs.StatfsInfo{Blocks: statfsFull, BlockSize: pageSize, Files: uint64(len(t.files))}
}

func (t *memTree) Open(p string) (iofs.File, error) {
	f, err := t.find("open", p)
	switch {
	case err != nil:
		return nil, err
	case f.dir || f.data == nil:
		return openMem{f}, nil
	case f.data == slow{}:
		return openSlow{openData{openMem{f}}}, nil
	case f.holes != nil:
		return openSparse{openData{openMem{f}}}, nil
	}
	return openData{openMem{f}}, nil
}

func (f *memFile) Name() string                 { return path.Base(f.path) }
func (f *memFile) Size() int64                  { return f.size }
func (f *memFile) ModTime() time.Time           { return treeTime }
func (f *memFile) IsDir() bool                  { return f.dir }
func (f *memFile) Info() (iofs.FileInfo, error) { return nil, errors.New("a listing needs no Info") }
func (f *memFile) Type() iofs.FileMode          { return f.Mode().Type() }
func (f *memFile) Sys() any {
	return &fs.Attr{Ino: f.Ino(), Blocks: f.blocks, Birth: treeBirth}
}

func (f *memFile) Mode() iofs.FileMode {
	if f.dir {
		return iofs.ModeDir | 0o755
	}
	return 0o444
}

func (f *memFile) Ino() uint64 {
	h := fnv.New64a()
	h.Write([]byte("tree " + f.path))
	return h.Sum64() >> 1
}

type openMem struct{ *memFile }

func (f openMem) Stat() (iofs.FileInfo, error) { return f.memFile, nil }
func (f openMem) Read([]byte) (int, error)     { return 0, errors.New("only ReadAt is used") }
func (f openMem) Close() error                 { return nil }

func (f openMem) Xattrs() []string {
	var names []string
	for name := range f.xattrs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (f openMem) Xattr(name string) ([]byte, bool) {
	v, ok := f.xattrs[name]
	return []byte(v), ok
}

type openData struct{ openMem }

func (f openData) ReadAt(p []byte, off int64) (int, error) { return f.data.ReadAt(p, off) }

type openSparse struct{ openData }

func (f openSparse) NextData(off int64) (int64, error) {
	for _, h := range f.holes {
		if off >= h.off && off < h.end {
			off = h.end
		}
	}
	if off >= f.size {
		return 0, io.EOF
	}
	return off, nil
}

func (f openSparse) NextHole(off int64) (int64, error) {
	for _, h := range f.holes {
		if off < h.end {
			return max(off, h.off), nil
		}
	}
	return f.size, nil
}

// slow is a file whose making never ends by itself.
type slow struct{}

func (slow) ReadAt([]byte, int64) (int, error) { return 0, errors.New("read without a context") }

type openSlow struct{ openData }

func (openSlow) Making() bool { return true }

func (openSlow) ReadAtContext(ctx context.Context, _ []byte, _ int64) (int, error) {
	fmt.Fprintln(os.Stderr, "work began")
	<-ctx.Done()
	fmt.Fprintln(os.Stderr, "work ended")
	return 0, ctx.Err()
}

type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}

// damaged cannot read one page, and stops there.
type damaged struct{ *bytes.Reader }

func (d damaged) ReadAt(p []byte, off int64) (int, error) {
	if off >= badPage+pageSize || off+int64(len(p)) <= badPage {
		return d.Reader.ReadAt(p, off)
	}
	n := max(0, int(badPage-off))
	if n > 0 {
		_, _ = d.Reader.ReadAt(p[:n], off)
	}
	return n, errors.New("the page is damaged")
}

type panics struct{}

func (panics) ReadAt([]byte, int64) (int, error) { panic("a mistake in the tree") }

// panicked is a file for which a goroutine of the tree has panicked.
type panicked struct{}

func (panicked) ReadAt([]byte, int64) (int, error) { return 0, stackError{} }

type stackError struct{}

func (stackError) Error() string { return "a mistake in a goroutine" }
func (stackError) Stack() []byte { return []byte("its stack") }
