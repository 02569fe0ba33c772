//go:build linux

package fusefs

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// theTree is the tree that servers serve, as this process knows it.
var theTree = sync.OnceValue(newMemTree)

// content returns the bytes of the tree's file at a path.
func content(name string) []byte {
	f := theTree().files[name]
	p := make([]byte, f.size)
	if n, err := f.data.ReadAt(p, 0); n < len(p) {
		panic(err)
	}
	return p
}

// listedFiles returns the paths of the regular files that listings show, except the files of the directory that holds
// thousands.
func listedFiles() []string {
	var names []string
	for p, f := range theTree().files {
		if !f.dir && !f.unlisted && !strings.HasPrefix(p, "many/") {
			names = append(names, p)
		}
	}
	slices.Sort(names)
	return names
}

func TestMountReadsTheSame(t *testing.T) {
	a, b := start(t), start(t)
	for _, s := range []*server{a, a, b} {
		for _, name := range listedFiles() {
			want := fmt.Sprintf("%x", md5.Sum(content(name)))
			if got := run(t, "md5sum", s.path(name)); !strings.HasPrefix(strings.TrimPrefix(got, `\`), want) {
				t.Errorf("%s: md5sum says %s, want %s", name, got, want)
			}
		}
	}
	for _, bs := range []string{"4k", "1M"} {
		t.Run("dd bs="+bs, func(t *testing.T) {
			needTool(t, "dd")
			out := filepath.Join(t.TempDir(), "out")
			run(t, "dd", "if="+b.path("big.bin"), "of="+out, "bs="+bs)
			sameBytes(t, out, content("big.bin"))
		})
	}
}

func sameBytes(t *testing.T, file string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes that differ from the %d wanted", file, len(got), len(want))
	}
}

func TestMountParallelReads(t *testing.T) {
	s := start(t)
	names := []string{"big.bin", "sparse.bin", "sizes/131073"}
	var wants [][]byte
	for _, name := range names {
		wants = append(wants, content(name))
	}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(worker)))
			for range 200 {
				i := rng.IntN(len(names))
				name, want := names[i], wants[i]
				off := rng.Int64N(int64(len(want)))
				if err := compareAt(s.path(name), want, off, 1+rng.IntN(300000)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func compareAt(file string, want []byte, off int64, n int) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	want = want[off:min(off+int64(n), int64(len(want)))]
	got := make([]byte, n)
	m, err := f.ReadAt(got, off)
	if err != nil && err != io.EOF {
		return err
	}
	if !bytes.Equal(got[:m], want) {
		return fmt.Errorf("%s: %d bytes at %#x differ from the %d wanted", file, m, off, len(want))
	}
	return nil
}

func TestMountTools(t *testing.T) {
	s := start(t)
	for _, c := range []struct{ name, tool, script string }{
		{"cp", "cp", `cp -r "$MNT" "$OUT/copy" && diff -r "$MNT" "$OUT/copy"`},
		{"tar", "tar", `tar -C "$MNT" -cf "$OUT/x.tar" . && mkdir "$OUT/x" && tar -C "$OUT/x" -xf "$OUT/x.tar" && diff -r "$MNT" "$OUT/x"`},
		{"tar -S", "tar", `test $(tar -S -C "$MNT" -cf - huge.bin | wc -c) -lt 100000`},
		{"rsync", "rsync", `rsync -a "$MNT/" "$OUT/r" && diff -r "$MNT" "$OUT/r"`},
		{"find", "find", `test $(find "$MNT" -ls | wc -l) -gt 20`},
		{"find -inum", "find", `test "$(find "$MNT" -inum $(stat -c %i "$MNT/sub/dir/deep.txt"))" = "$MNT/sub/dir/deep.txt"`},
		{"ls", "ls", `ls -laiR "$MNT" "$MNT/many"`},
		{"ls -i agrees with stat", "ls", `test $(ls -i "$MNT/hello.txt" | cut -d' ' -f1) = $(stat -c %i "$MNT/hello.txt")`},
		{"du of what is there", "du", `test $(du -k "$MNT/huge.bin" | cut -f1) = 4`},
		{"du", "du", `du -s "$MNT"`},
		{"df", "df", `df "$MNT" | grep -q "^/cases/xp, copy.raw"`},
		{"stat -f", "stat", `test $(stat -f -c %b-%S-%a "$MNT") = 12345-4096-0`},
		{"grep", "grep", `grep -rl deep "$MNT" | grep -q deep.txt`},
		{"file", "file", `file "$MNT/hello.txt" | grep -q ASCII`},
		{"cmp", "cmp", `cmp "$MNT/sizes/4097" "$MNT/sizes/4097"`},
		{"getfattr", "getfattr", `test "$(getfattr --absolute-names -n user.memlens.present --only-values "$MNT/sparse.bin")" = 32`},
		{"getfattr -d", "getfattr", `test $(getfattr --absolute-names -d "$MNT/sparse.bin" | grep -c ^user) = 3`},
		{"getfattr of a directory", "getfattr", `getfattr --absolute-names -d "$MNT/sub" | grep -q directory`},
		{"mode and owner", "stat", `test $(stat -c %a-%u "$MNT/hello.txt") = 444-$(id -u) && test $(stat -c %a "$MNT/sub") = 755`},
		{"birth", "stat", `test $(stat -c %W "$MNT/hello.txt") = 1227685133`},
		{"mount is hardened", "grep", `grep " $MNT " /proc/mounts | grep -q " fuse.memlens ro,nosuid,nodev,noexec,"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			needTool(t, "sh")
			needTool(t, c.tool)
			t.Setenv("MNT", s.dir)
			out := t.TempDir()
			t.Setenv("OUT", out)
			t.Cleanup(func() { _ = exec.Command("chmod", "-R", "u+w", out).Run() }) // copies are read-only too
			run(t, "sh", "-ec", c.script)
		})
	}
}

func TestMountListing(t *testing.T) {
	s := start(t)
	for range 2 { // from the server, then from the kernel's copy
		entries, err := os.ReadDir(s.path("many"))
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, e := range entries {
			seen[e.Name()] = true
		}
		for i := range manyFiles {
			if !seen[strconv.Itoa(i)] {
				t.Fatalf("%d is not listed", i)
			}
		}
		if len(entries) != manyFiles {
			t.Fatalf("%d entries, want %d", len(entries), manyFiles)
		}
	}
}

func TestMountInodeNumbers(t *testing.T) {
	a, b := start(t), start(t)
	for p, f := range theTree().files {
		if f.unlisted || strings.HasPrefix(p, "many/") {
			continue
		}
		want := f.Ino()
		if p == "." {
			want = rootIno
		}
		for _, s := range []*server{a, b} {
			var st unix.Stat_t
			if err := unix.Stat(s.path(p), &st); err != nil {
				t.Fatal(err)
			}
			if st.Ino != want {
				t.Errorf("%s: inode %d, want %d", p, st.Ino, want)
			}
		}
	}
}

func TestMountOpensWhatIsNotListed(t *testing.T) {
	s := start(t)
	for name, want := range map[string]error{
		"unlisted.txt":    nil,
		"absent.txt":      syscall.ENOENT,
		"sub/absent/x":    syscall.ENOENT,
		"not\xffutf8.txt": syscall.ENOENT,
		"hello.txt/x":     syscall.ENOTDIR,
		"opaque":          syscall.EIO,
	} {
		for range 2 { // the second answer is the kernel's own
			_, err := os.ReadFile(s.path(name))
			if !errors.Is(err, want) {
				t.Errorf("%q: %v, want %v", name, err, want)
			}
		}
	}
	sameBytes(t, s.path("unlisted.txt"), []byte("here"))
}

func TestMountXattrs(t *testing.T) {
	s := start(t)
	file := s.path("sparse.bin")
	names := make([]byte, 1000)
	n, err := unix.Listxattr(file, names)
	if got, want := string(names[:n]), "user.memlens.empty\x00user.memlens.missing\x00user.memlens.present\x00"; err != nil || got != want {
		t.Errorf("listxattr: %q, %v; want %q", got, err, want)
	}
	for _, c := range []struct {
		name, attr string
		room, n    int
		err        error
	}{
		{"value", "user.memlens.present", 10, 2, nil},
		{"size", "user.memlens.present", 0, 2, nil},
		{"empty value", "user.memlens.empty", 10, 0, nil},
		{"too little room", "user.memlens.present", 1, 0, unix.ERANGE},
		{"no such attribute", "user.memlens.absent", 10, 0, unix.ENODATA},
		{"another namespace", "security.selinux", 10, 0, unix.ENOTSUP},
		{"no ACLs", "system.posix_acl_access", 10, 0, unix.ENOTSUP},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, err := unix.Getxattr(file, c.attr, make([]byte, c.room))
			if !errors.Is(err, c.err) || err == nil && n != c.n {
				t.Errorf("%d, %v; want %d, %v", n, err, c.n, c.err)
			}
		})
	}
	if n, err := unix.Listxattr(s.path("hello.txt"), names); n != 0 || err != nil {
		t.Errorf("a file without attributes: %d, %v", n, err)
	}
	if _, err := unix.Listxattr(file, names[:5]); !errors.Is(err, unix.ERANGE) {
		t.Errorf("listxattr with too little room: %v", err)
	}
}

func TestMountHoles(t *testing.T) {
	s := start(t)
	for _, c := range []struct {
		file   string
		whence int
		off    int64
		want   int64
		err    error
	}{
		{"sparse.bin", unix.SEEK_DATA, 0, 0, nil},
		{"sparse.bin", unix.SEEK_HOLE, 0, 0x10000, nil},
		{"sparse.bin", unix.SEEK_DATA, 0x10000, 0x30000, nil},
		{"sparse.bin", unix.SEEK_HOLE, 0x2ffff, 0x2ffff, nil},
		{"sparse.bin", unix.SEEK_DATA, 0x40000, 0, unix.ENXIO},
		{"sparse.bin", unix.SEEK_HOLE, 0x47fff, 0x47fff, nil},
		{"sparse.bin", unix.SEEK_HOLE, 0x48000, 0, unix.ENXIO},
		{"hello.txt", unix.SEEK_DATA, 3, 3, nil},
		{"hello.txt", unix.SEEK_HOLE, 3, 6, nil},
		{"hello.txt", unix.SEEK_DATA, 6, 0, unix.ENXIO},
		{"huge.bin", unix.SEEK_DATA, pageSize, 0, unix.ENXIO},
	} {
		f, err := os.Open(s.path(c.file))
		if err != nil {
			t.Fatal(err)
		}
		got, err := unix.Seek(int(f.Fd()), c.off, c.whence)
		if !errors.Is(err, c.err) || err == nil && got != c.want {
			t.Errorf("%s, whence %d at %#x: %#x, %v; want %#x, %v", c.file, c.whence, c.off, got, err, c.want, c.err)
		}
		f.Close()
	}
}

func TestMountMmap(t *testing.T) {
	s := start(t)
	want := content("big.bin")
	for _, kind := range []int{unix.MAP_PRIVATE, unix.MAP_SHARED} {
		f, err := os.Open(s.path("big.bin"))
		if err != nil {
			t.Fatal(err)
		}
		p, err := unix.Mmap(int(f.Fd()), 0, len(want), unix.PROT_READ, kind)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p, want) {
			t.Errorf("mmap kind %d: bytes differ", kind)
		}
		if err := unix.Munmap(p); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMountRefusesChanges(t *testing.T) {
	s := start(t)
	file, sub, fresh := s.path("hello.txt"), s.path("sub"), s.path("new")
	for name, change := range map[string]func() error{
		"write":       func() error { return opens(file, os.O_WRONLY) },
		"read-write":  func() error { return opens(file, os.O_RDWR) },
		"truncate":    func() error { return os.Truncate(file, 0) },
		"create":      func() error { return opens(fresh, os.O_CREATE|os.O_WRONLY) },
		"rename":      func() error { return os.Rename(file, fresh) },
		"remove":      func() error { return os.Remove(file) },
		"remove all":  func() error { return os.RemoveAll(sub) },
		"rmdir":       func() error { return unix.Rmdir(sub) },
		"mkdir":       func() error { return os.Mkdir(fresh, 0o755) },
		"chmod":       func() error { return os.Chmod(file, 0o777) },
		"chown":       func() error { return os.Chown(file, 1, 1) },
		"touch":       func() error { return os.Chtimes(file, treeTime, treeTime) },
		"link":        func() error { return os.Link(file, fresh) },
		"symlink":     func() error { return os.Symlink(file, fresh) },
		"mkfifo":      func() error { return unix.Mkfifo(fresh, 0o644) },
		"setxattr":    func() error { return unix.Setxattr(file, "user.x", []byte("1"), 0) },
		"removexattr": func() error { return unix.Removexattr(s.path("sparse.bin"), "user.memlens.present") },
	} {
		t.Run(name, func(t *testing.T) {
			if err := change(); !errors.Is(err, syscall.EROFS) {
				t.Errorf("%v, want %v", err, syscall.EROFS)
			}
		})
	}
	sameBytes(t, file, []byte("hello\n"))
}

// Made writable by hand, the mount still refuses, by its own answers.
func TestMountRefusesChangesWhenRemounted(t *testing.T) {
	needRoot(t)
	s := start(t)
	if err := unix.Mount("none", s.dir, "", unix.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	file, fresh := s.path("hello.txt"), s.path("new")
	for name, change := range map[string]func() error{
		"write":    func() error { return opens(file, os.O_WRONLY) },
		"create":   func() error { return opens(fresh, os.O_CREATE|os.O_WRONLY) },
		"rename":   func() error { return os.Rename(file, fresh) },
		"unlink":   func() error { return unix.Unlink(file) },
		"rmdir":    func() error { return unix.Rmdir(s.path("sub")) },
		"mkdir":    func() error { return os.Mkdir(fresh, 0o755) },
		"chmod":    func() error { return os.Chmod(file, 0o777) },
		"link":     func() error { return os.Link(file, fresh) },
		"symlink":  func() error { return os.Symlink(file, fresh) },
		"mkfifo":   func() error { return unix.Mkfifo(fresh, 0o644) },
		"setxattr": func() error { return unix.Setxattr(file, "user.x", []byte("1"), 0) },
		"rmxattr":  func() error { return unix.Removexattr(file, "user.x") },
	} {
		t.Run(name, func(t *testing.T) {
			if err := change(); !errors.Is(err, syscall.EROFS) {
				t.Errorf("%v, want %v", err, syscall.EROFS)
			}
		})
	}
	sameBytes(t, file, []byte("hello\n"))
}

func opens(name string, flag int) error {
	f, err := os.OpenFile(name, flag, 0o644)
	if err == nil {
		f.Close()
	}
	return err
}

func TestMountDamage(t *testing.T) {
	s := start(t)
	f, err := os.Open(s.path("damaged.bin"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := noise(0x20000)
	for off := int64(0); off < int64(len(want)); off += pageSize {
		got := make([]byte, pageSize)
		_, err := f.ReadAt(got, off)
		switch {
		case off == badPage && !errors.Is(err, syscall.EIO):
			t.Errorf("the damaged page: %v", err)
		case off != badPage && (err != nil || !bytes.Equal(got, want[off:off+pageSize])):
			t.Errorf("the page at %#x: %v, or its bytes differ", off, err)
		}
	}
	s.says(`path=damaged.bin err="at 0x10000: the page is damaged"`)
	for name, says := range map[string]string{
		"shrunk.bin": `path=shrunk.bin err="at 0x1000: unexpected EOF"`,
		"panic.bin":  "a mistake in the tree",
		"worker.bin": `err="at 0x0: a mistake in a goroutine" stack="its stack"`,
	} {
		if _, err := os.ReadFile(s.path(name)); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %v, want %v", name, err, syscall.EIO)
		}
		s.says(says)
	}
	if n := strings.Count(s.log.String(), "path=damaged.bin"); n != 1 {
		t.Errorf("the damage is reported %d times", n)
	}
	sameBytes(t, s.path("hello.txt"), []byte("hello\n"))
}

func TestMountRootIsAFileSystem(t *testing.T) {
	s := start(t)
	for _, name := range []string{".", "sub", "names", "sizes"} {
		entries, err := iofs.ReadDir(os.DirFS(s.dir), name)
		if err != nil || len(entries) == 0 {
			t.Errorf("%s: %d entries, %v", name, len(entries), err)
		}
	}
}
