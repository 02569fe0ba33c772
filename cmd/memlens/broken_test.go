//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/klauspost/compress/zstd"

	"memlens/memimage/format"
	"memlens/memimage/sparse"
	"memlens/memimage/sparse/sparsetest"
	"memlens/memimage/synth/corpus"
)

// container is a form of memory images: its name, the name of a file, and what writes a raw image so. Package format
// tests all forms, on a broken disk, too. A mount reads them by the same code.
type container struct {
	name, file string
	write      func(t *testing.T, image, out string)
}

var (
	rawFile = container{"raw", "demo.raw", func(t *testing.T, image, out string) { shell(t, ".", "cp "+image+" "+out) }}
	ewfFile = container{"E01", "demo.E01", func(t *testing.T, image, out string) {
		tool(t, "ewfacquire", "-u", "-q", "-c", "deflate:fast", "-d", "sha1", "-t", strings.TrimSuffix(out, ".E01"), image)
	}}
	zstdFile = container{"zstd", "demo.raw.zst", zstdFrames}
	xzFile   = container{"xz", "demo.raw.xz", func(t *testing.T, image, out string) {
		shell(t, ".", "xz -0 -T0 --block-size=131072 -c "+image+" > "+out)
	}}
)

// part returns the folder of a mount whose files are read: the mount, or with -short the process with the damage.
func part(m *mount) string {
	if testing.Short() {
		return m.path("3256-cmd.exe")
	}
	return m.dir
}

// zstdFrames compresses a file in frames of 128 KiB with checksums.
func zstdFrames(t *testing.T, image, out string) {
	t.Helper()
	data := []byte(readFile(t, image))
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(true), zstd.WithSingleSegment(true))
	if err != nil {
		t.Fatal(err)
	}
	var packed []byte
	for chunk := range slices.Chunk(data, 128<<10) {
		packed = enc.EncodeAll(chunk, packed)
	}
	if err := os.WriteFile(out, packed, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedBlockInAMount damages the block of a container that holds code of cmd.exe. In the mount, the pages of
// that block are missing, with the reason, and all else is as in the sound image.
func TestDamagedBlockInAMount(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	image, _ := demo(t)
	sound := mounted(t, image)
	pa := codePage(t, sound)
	for _, c := range []container{ewfFile, xzFile} { // their blocks carry checksums
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), c.file)
			c.write(t, image, file)
			damageAt(t, file, pa)
			m := mounted(t, file)
			checkNamed(t, m, sound)
			everythingReads(t, m.dir, nil)
			m.unmount()
		})
	}
	sound.unmount()
}

// codePage returns the physical address of a page of cmd.exe's code.
func codePage(t *testing.T, m *mount) int64 {
	t.Helper()
	for _, row := range table(t, m.path("3256-cmd.exe", "pages.csv")) {
		if row["section"] == ".text" && row["physical"] != "" {
			pa, err := strconv.ParseInt(row["physical"], 0, 64)
			if err != nil {
				t.Fatal(err)
			}
			return pa
		}
	}
	t.Fatal("no page of cmd.exe's code is in memory")
	return 0
}

// damageAt changes a byte of a container so that the page at pa is lost. It takes the first byte, near the place
// where the page should lie, with which the container reports the damage.
func damageAt(t *testing.T, file string, pa int64) {
	t.Helper()
	data := []byte(readFile(t, file))
	for step := range 400 {
		damaged := bytes.Clone(data)
		at := (len(data)*step/400 + 37) % len(data)
		damaged[at] ^= 0x55
		if err := os.WriteFile(file, damaged, 0o644); err != nil {
			t.Fatal(err)
		}
		im, err := format.OpenFile(file, format.Options{})
		if err != nil {
			continue
		}
		_, hole := im.Memory.Probe(pa)
		end := im.Memory.Size()
		im.Close()
		if sparse.IsHole(hole) && end == 64<<20 {
			return
		}
	}
	t.Fatal("no byte of the file damages the block of the page")
}

// checkNamed compares cmd.exe's files with the files of the sound image: bytes that differ are missing, and a row gives the reason.
func checkNamed(t *testing.T, m, sound *mount) {
	t.Helper()
	dir := "3256-cmd.exe"
	named := 0
	for _, row := range table(t, m.path(dir, "pages.csv")) {
		if row["source"] == "missing" {
			named++
			if row["note"] == "" {
				t.Errorf("pages.csv: the page at %s is missing, and no reason is given", row["rva"])
			}
		}
	}
	if named == 0 {
		t.Error("pages.csv names no missing page")
	}
	for _, name := range []string{"procmemdump.exe", "procexedump.exe", "restored.exe"} {
		checkPart(t, m.path(dir, name), sound.path(dir, name))
	}
	for _, row := range table(t, m.path(dir, "restored.csv")) { // the page may be in the file cache
		if row["source"] == "missing" && row["note"] == "" {
			t.Errorf("restored.csv: what is missing at %s has no reason", row["offset"])
		}
	}
}

// everythingReads reads every file below dir, pictures too. It ignores only the errors that are allowed.
func everythingReads(t *testing.T, dir string, may func(name string, err error) bool) (failed int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, e iofs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && filepath.Base(name) != "memory.raw" {
			_, err = os.ReadFile(name)
		}
		if err == nil {
			return nil
		}
		failed++
		if may == nil || !may(name, err) {
			t.Errorf("%v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return failed
}

// brokenFolder shows a file in a folder of its own. Some bytes of the file give EIO while the disk is broken. The
// kernel caches nothing of it.
func brokenFolder(t *testing.T, file string, bad ...sparse.Run) (string, *sparsetest.Disk) {
	t.Helper()
	return brokenTree(t, file, filepath.Base(file), bad...)
}

// brokenTree is brokenFolder with a place below the folder.
func brokenTree(t *testing.T, file, at string, bad ...sparse.Run) (string, *sparsetest.Disk) {
	t.Helper()
	needFUSE(t)
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	disk := &sparsetest.Disk{ReaderAt: f, Bad: bad}
	dir := t.TempDir()
	root := &gofs.Inode{}
	server, err := gofs.Mount(dir, root, &gofs.Options{MountOptions: fuse.MountOptions{Name: "disk", DirectMount: true}, OnAdd: func(ctx context.Context) {
		parent := root
		for _, name := range strings.Split(filepath.Dir(at), "/") {
			if name != "." {
				next := parent.NewPersistentInode(ctx, &gofs.Inode{}, gofs.StableAttr{Mode: syscall.S_IFDIR})
				parent.AddChild(name, next, false)
				parent = next
			}
		}
		parent.AddChild(filepath.Base(at), parent.NewPersistentInode(ctx, &diskFile{disk: disk, size: info.Size()}, gofs.StableAttr{}), false)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if server.Unmount() != nil {
			exec.Command("umount", "-l", dir).Run()
		}
		f.Close()
	})
	return filepath.Join(dir, at), disk
}

// diskFile is a file on a disk that can be broken.
type diskFile struct {
	gofs.Inode
	disk *sparsetest.Disk
	size int64
}

var _ = interface {
	gofs.NodeOpener
	gofs.NodeReader
	gofs.NodeGetattrer
}((*diskFile)(nil))

func (f *diskFile) Open(context.Context, uint32) (gofs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

func (f *diskFile) Getattr(_ context.Context, _ gofs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = 0o444, uint64(f.size)
	return 0
}

func (f *diskFile) Read(_ context.Context, _ gofs.FileHandle, p []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	p = p[:max(min(int64(len(p)), f.size-off), 0)]
	n, err := f.disk.ReadAt(p, off)
	if errors.Is(err, syscall.EIO) && n == 0 {
		return nil, syscall.EIO
	}
	return fuse.ReadResultData(p[:n]), 0
}

// TestBrokenDiskUnderAMount mounts images from a disk on which some sectors with code of cmd.exe cannot be read.
// Reading these bytes in the mount is an I/O error, and everything else is as on the sound disk. When the disk has healed, everything is.
func TestBrokenDiskUnderAMount(t *testing.T) {
	t.Parallel()
	image, _ := demo(t)
	sound := mounted(t, image)
	pa, files := codePage(t, sound), filesAlike(t, sound)
	for _, c := range []container{rawFile, zstdFile} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && c.name == "raw" {
				t.Skip("one container is enough")
			}
			file := filepath.Join(t.TempDir(), c.file)
			c.write(t, image, file)
			bad := sparse.Run{Off: pa, Len: 512}
			if c.name != "raw" {
				bad.Off = sectorOf(t, file, pa)
			}
			path, disk := brokenFolder(t, file, bad)
			m := mounted(t, path)
			disk.Break(true)
			eio := func(_ string, err error) bool { return errors.Is(err, syscall.EIO) }
			if failed := everythingReads(t, part(m), eio); failed == 0 || disk.Failed() == 0 {
				t.Errorf("%d files could not be read, the disk failed %d times", failed, disk.Failed())
			}
			if _, err := os.ReadFile(m.path("3256-cmd.exe", "procexedump.exe")); !errors.Is(err, syscall.EIO) {
				t.Errorf("procexedump.exe of the process whose code cannot be read: %v, want EIO", err)
			}
			equalTrees(t, m, files, eio)
			disk.Break(false)
			eventually(t, "the page is read again", func() bool { // and memory searched again, for processes and for drivers
				for _, name := range []string{"scanned", "scanned/drivers", "scanned/gallery"} {
					if _, err := os.ReadDir(m.path(name)); err != nil {
						return false
					}
				}
				return len(unequal(m, files, nil)) == 0
			})
			equalTrees(t, m, files, nil)
			equalListings(t, m, sound)
			m.unmount()
		})
	}
	sound.unmount()
}

// equalListings compares the listings of two mounts of the same memory.
func equalListings(t *testing.T, m, sound *mount) {
	t.Helper()
	if got, want := shell(t, m.dir, "find . | sort"), shell(t, sound.dir, "find . | sort"); got != want {
		t.Errorf("other files are listed than in the sound image:\n%s", firstLines(got, want))
	}
}

// firstLines returns the lines in which two texts differ.
func firstLines(a, b string) string {
	var out []string
	for _, text := range []struct{ sign, lines, other string }{{"+", a, b}, {"-", b, a}} {
		for line := range strings.Lines(text.lines) {
			if !strings.Contains(text.other, line) {
				out = append(out, text.sign+line)
			}
		}
	}
	return strings.Join(out, "")
}

// sectorOf returns the offset in a container of a sector that is needed to read the page at pa.
func sectorOf(t *testing.T, file string, pa int64) int64 {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	log := &reads{Source: sparse.Whole(f, info.Size()), name: filepath.Base(file)}
	im, err := format.Open(log, format.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	log.last = -1
	if _, err := im.Memory.ReadAt(make([]byte, 1), pa); err != nil || log.last < 0 {
		t.Fatalf("the page is not read from the file: %v", err)
	}
	return log.last
}

// reads is a file that remembers the place of its last read.
type reads struct {
	sparse.Source
	name string
	last int64
}

func (r *reads) Name() string                         { return r.name }
func (r *reads) Beside(string) (format.Source, error) { return nil, iofs.ErrNotExist }
func (r *reads) Names() ([]string, error)             { return nil, nil }
func (r *reads) ReadAt(p []byte, off int64) (int, error) {
	r.last = off + int64(len(p))/2
	return r.Source.ReadAt(p, off)
}

// filesAlike returns the files of a mount, by path, that are the same for all containers of the memory: all but
// memory.raw, the information about the container, and what names the image.
func filesAlike(t *testing.T, m *mount) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(part(m), func(name string, e iofs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		switch filepath.Ext(name) {
		case ".html", ".png", ".gif", ".bmp", ".svg": // pages and figures name the image
			return nil
		}
		relative, err := filepath.Rel(m.dir, name)
		if relative != "image.json" && relative != "memory.raw" && relative != "README.txt" {
			files[relative] = readFile(t, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// equalTrees compares the files of a mount with the files of a sound one.
func equalTrees(t *testing.T, m *mount, sound map[string]string, may func(string, error) bool) {
	t.Helper()
	for _, err := range unequal(m, sound, may) {
		t.Error(err)
	}
}

// unequal returns an error for each file that is not as in the sound mount. may tells which errors of reading are no such error.
func unequal(m *mount, sound map[string]string, may func(string, error) bool) (errs []error) {
	for name, want := range sound {
		got, err := os.ReadFile(m.path(name))
		switch {
		case err != nil && may != nil && may(name, err):
		case err != nil:
			errs = append(errs, err)
		case may != nil && strings.Contains(string(got), "list damaged: not all of memory could be searched: reading at offset"):
		case string(got) != want:
			errs = append(errs, fmt.Errorf("%s is not as in the sound image", name))
		}
	}
	return errs
}

// TestCommandsOnABrokenDisk runs commands on an image of which one page cannot be read, for pages all over the image: what
// they print is as of the sound image, or they say that a read failed, and their status says so, too.
func TestCommandsOnABrokenDisk(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	needFUSE(t)
	image, _ := demo(t)
	data := readFile(t, image)
	var used []int64
	for off := 0; off < len(data); off += 4096 {
		if strings.Trim(data[off:off+4096], "\x00") != "" {
			used = append(used, int64(off))
		}
	}
	commands := [][]string{{"pages", "--csv"}, {"report"}, {"info", "--json"}}
	file, disk := brokenFolder(t, image)
	var sound []result
	for _, command := range commands {
		sound = append(sound, memlens(t, append(command, file)...))
	}
	failed := map[string]int{}
	const places = 12
	for i := range places {
		off := used[len(used)*i/places]
		disk.Break(false)
		disk.Bad = []sparse.Run{{Off: off, Len: 4096}}
		disk.Break(true)
		for k, command := range commands {
			r := memlens(t, append(command, file)...)
			switch {
			case r.code != 0 && strings.Contains(r.stderr+r.stdout, "input/output error"):
				failed[command[0]]++
			case r.code != 0 || r.stdout != sound[k].stdout:
				t.Errorf("%s with a bad page at %#x: status %d, printed the same: %v\n%s", command, off, r.code, r.stdout == sound[k].stdout, r.stderr)
			}
		}
	}
	t.Logf("of %d runs each, so many met the bad page: %v", places, failed)
	if len(failed) < len(commands) {
		t.Errorf("not every command met a bad page: %v", failed)
	}
}
