//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memlens/memimage/synth/corpus"
)

// lines are commands that people run on a mount. Each must succeed in its root. $OUT is a folder to write to, $IMAGE
// the image, $REF a reference. Two processes claim 2 GiB and 96 MiB; they are not read again and again. $MOST names
// what md5deep reads, and $SOME parts of the tree with files of every kind, for tar, rsync and grep, which copy and
// compare. $BUT is empty, or an option of theirs that leaves directories out.
var lines = []struct{ tool, line string }{
	{"md5deep", `find $MOST -type f -size -16M | md5deep -r -l -f /dev/stdin > $OUT/md5 && test $(wc -l < $OUT/md5) -ge $(find $MOST -type f -size -16M | wc -l)`},
	{"md5deep", `md5deep -r -l 3256-cmd.exe scanned > $OUT/md5 && test -s $OUT/md5`},
	{"ssdeep", `ssdeep -bda $REF 3256-cmd.exe/procexedump.exe | grep 'matches'`},
	{"ssdeep", `ssdeep -r 3256-cmd.exe | grep restored.exe`},
	{"cp", `cp -r --sparse=always 3256-cmd.exe README.txt processes.csv scanned $OUT/ && diff -r 3256-cmd.exe $OUT/3256-cmd.exe`},
	{"cp", `cp -a 3256-cmd.exe $OUT/kept && test "$(stat -c %Y%a%s 3256-cmd.exe/info.json)" = "$(stat -c %Y%a%s $OUT/kept/info.json)"`},
	{"tar", `tar -cSf $OUT/tree.tar $BUT $SOME && tar -df $OUT/tree.tar`},
	{"rsync", `rsync -aS $BUT --max-size=16M $SOME $OUT/mirror/ && rsync -acn $BUT --max-size=16M --itemize-changes $SOME $OUT/mirror/ > $OUT/changes && ! grep . $OUT/changes`},
	{"find", `find . -ls > $OUT/list && grep -q 3256-cmd.exe/procexedump.exe $OUT/list`},
	{"find", `find . -name '*.exe' -type f -newermt 2000-01-01 ! -newermt 2030-01-01 | grep -q procexedump`},
	{"du", `du -a . > $OUT/du && test -s $OUT/du`},
	{"file", `file 3256-cmd.exe/* | tee $OUT/file && grep -q 'procexedump.exe: *PE32' $OUT/file && grep -q 'colorized.bmp: *PC bitmap' $OUT/file`},
	{"cmp", `cmp 3256-cmd.exe/procexedump.exe 3256-cmd.exe/procexedump.exe && cmp -n 2 3256-cmd.exe/procexedump.exe 3256-cmd.exe/procmemdump.exe`},
	{"cmp", `dd if=memory.raw bs=4k skip=100 count=16 status=none | cmp - <(dd if=$IMAGE bs=4k skip=100 count=16 status=none)`},
	{"grep", `grep -r ${BUT/exclude/exclude-dir} --exclude='*.bmp' --include='*.csv' --include='*.json' --include='*.txt' -l cmd.exe $SOME | grep -c processes.csv`},
	{"grep", `grep -c 'This program' 3256-cmd.exe/*.exe > $OUT/count`},
	{"identify", `identify 3256-cmd.exe/*.bmp > $OUT/identify && grep -q BMP $OUT/identify`},
	{"strings", `strings -n 8 3256-cmd.exe/restored.exe > $OUT/strings && test -s $OUT/strings`},
	{"objdump", `objdump -p 3256-cmd.exe/restored.exe > $OUT/objdump && grep -qi 'DLL Name' $OUT/objdump`},
	{"python3", `python3 -c 'import mmap,glob
for p in glob.glob("3256-cmd.exe/*.exe"):
    with open(p, "rb") as f, mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as m: assert m[:2] == b"MZ" and m[:] == f.read()'`},
	{"python3", `python3 -c 'import csv,json,glob
assert any(r["pid"] == "3256" for r in csv.DictReader(open("processes.csv")))
for p in glob.glob("*/info.json")+["image.json"]: json.load(open(p))'`},
	{"stat", `test "$(stat -f -c '%T %b %f' .)" = "fuseblk $(($(stat -c %s $IMAGE) / 4096)) 0" || test "$(stat -f -c '%T %b %f' .)" = "fuse $(($(stat -c %s $IMAGE) / 4096)) 0"`},
	{"df", `df . | grep -q $(basename $IMAGE)`},
}

// modules leaves out the part of a reference image that takes most of its time. The demo has modules, too, and md5deep reads them.
const modules = "--exclude=modules"

// trees are the mounts that the tools are tried on: the demo, and a reference image if there is one.
func trees(t *testing.T, test func(t *testing.T, image, reference string)) {
	t.Setenv("SOME", "3256-cmd.exe scanned gallery README.txt image.json processes.csv index.html")
	t.Run("demo", func(t *testing.T) {
		image, originals := demo(t)
		t.Setenv("BUT", "")
		t.Setenv("MOST", ".")
		test(t, image, filepath.Join(originals, "cmd.exe"))
	})
	t.Run("WinXPSP2x86", func(t *testing.T) {
		if raceEnabled {
			t.Skip("takes too long under the race detector")
		}
		_, originals := demo(t)
		t.Setenv("BUT", modules)
		t.Setenv("MOST", os.Getenv("SOME"))
		test(t, corpus.Unpack(t, "WinXPSP2x86.raw"), filepath.Join(originals, "cmd.exe"))
	})
}

func TestToolsRunOnAMount(t *testing.T) {
	corpus.Long(t)
	trees(t, func(t *testing.T, image, reference string) {
		m := mounted(t, image, "--reference", reference)
		t.Setenv("IMAGE", image)
		t.Setenv("REF", reference)
		for _, l := range lines {
			name, _, _ := strings.Cut(l.line, " ")
			t.Run(name, func(t *testing.T) {
				needTool(t, l.tool)
				t.Setenv("OUT", t.TempDir())
				shell(t, m.dir, l.line)
			})
		}
		m.unmount()
		if log := m.log.String(); strings.Contains(log, "cannot ") || strings.Contains(log, "panic") {
			t.Errorf("the mount reports:\n%s", log)
		}
	})
}

func TestNothingCanBeChanged(t *testing.T) {
	image, originals := demo(t)
	m := mounted(t, image, "--reference", originals)
	file, dir := m.path("3256-cmd.exe", "procexedump.exe"), m.path("3256-cmd.exe")
	for name, change := range map[string]func() error{
		"write":     func() error { _, err := os.OpenFile(file, os.O_WRONLY, 0); return err },
		"append":    func() error { _, err := os.OpenFile(file, os.O_RDWR|os.O_APPEND, 0); return err },
		"create":    func() error { return os.WriteFile(m.path("new"), nil, 0o666) },
		"make":      func() error { return os.Mkdir(filepath.Join(dir, "new"), 0o777) },
		"truncate":  func() error { return os.Truncate(file, 0) },
		"rename":    func() error { return os.Rename(file, file+".old") },
		"move":      func() error { return os.Rename(dir, m.path("moved")) },
		"remove":    func() error { return os.Remove(file) },
		"rmdir":     func() error { return os.Remove(dir) },
		"link":      func() error { return os.Link(file, file+".link") },
		"symlink":   func() error { return os.Symlink(file, file+".link") },
		"chmod":     func() error { return os.Chmod(file, 0o666) },
		"chown":     func() error { return os.Chown(file, 1, 1) },
		"touch":     func() error { return os.Chtimes(file, time.Now(), time.Now()) },
		"setfattr":  func() error { return unix.Setxattr(file, "user.memlens.layout", []byte("x"), 0) },
		"rmfattr":   func() error { return unix.Removexattr(file, "user.memlens.layout") },
		"mknod":     func() error { return unix.Mknod(m.path("fifo"), unix.S_IFIFO|0o666, 0) },
		"remove it": func() error { return os.Remove(m.path("README.txt")) },
	} {
		if err := change(); !errors.Is(err, syscall.EROFS) {
			t.Errorf("%s: %v, want EROFS", name, err)
		}
	}
}

// TestACopyCanBeRemoved copies a process out of the mount and removes the copy, as a user who is not root. cp copies
// the modes, and files cannot be removed from a directory that its owner may not write to.
func TestACopyCanBeRemoved(t *testing.T) {
	image, _ := demo(t)
	m := mountedOn(t, anyonesFolder(t), image, "--allow-other")
	cmd := exec.Command("sh", "-ec", `cp -r "$0" copy; test -f copy/modules.csv; rm -r copy`, m.path("3256-cmd.exe"))
	cmd.Dir = anyonesFolder(t)
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %.500s", err, out)
	}
}

// anyonesFolder returns a folder that every user may write to.
func anyonesFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestErrnoOfWhatIsNotThere(t *testing.T) {
	image, _ := demo(t)
	m := mounted(t, image)
	for _, name := range []string{"none", "3256-cmd.exe/none", "3256-cmd.exe/diff-vs", "3256-CMD.exe", "scanned/1-none", "3256-cmd.exe/NOT-RECOVERED.txt", "\xff\xfe"} {
		if _, err := os.Stat(m.path(name)); !errors.Is(err, syscall.ENOENT) {
			t.Errorf("%q: %v, want ENOENT", name, err)
		}
	}
	if _, err := os.Stat(m.path("README.txt/none")); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("below a file: %v, want ENOTDIR", err)
	}
	if _, err := unix.Getxattr(m.path("3256-cmd.exe/procexedump.exe"), "user.none", nil); !errors.Is(err, syscall.ENODATA) {
		t.Errorf("an attribute that is not there: %v, want ENODATA", err)
	}
}

// TestAttributesAreStable lists everything that find(1) can print for two mounts of the same image.
func TestAttributesAreStable(t *testing.T) {
	trees(t, func(t *testing.T, image, reference string) {
		const list = `find . -printf '%p %i %n %M %U %G %s %b %T+ %C+ %A+\n' | sort`
		first := shell(t, mounted(t, image, "--reference", reference).dir, list)
		second := shell(t, mounted(t, image, "--reference", reference, "--scan").dir, list)
		if first != second {
			t.Errorf("two mounts differ:\n%s\n%s", first, second)
		}
		inodes, owner := map[string]string{}, fmt.Sprintf(" %d %d ", os.Getuid(), os.Getgid())
		for line := range strings.Lines(first) {
			fields := strings.Fields(line)
			name, inode, mode, date := fields[0], fields[1], fields[3], fields[8]
			if other, taken := inodes[inode]; taken {
				t.Errorf("%s and %s have one inode number, %s", name, other, inode)
			}
			inodes[inode] = name
			if mode != "-r--r--r--" && mode != "drwxr-xr-x" || !strings.Contains(line, owner) || !strings.HasPrefix(date, "2011-") {
				t.Errorf("odd attributes: %s", line)
			}
		}
	})
}

// TestHolesAreShown compares a file's holes, its blocks and its extended attributes with its table of pages.
func TestHolesAreShown(t *testing.T) {
	image, _ := demo(t)
	m := mounted(t, image)
	for _, row := range table(t, m.path("processes.csv")) {
		path := m.path(row["directory"], "procmemdump.exe")
		f, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		info, _ := f.Stat()
		present := dataBytes(t, f, info.Size())
		if blocks := info.Sys().(*syscall.Stat_t).Blocks * 512; blocks != present {
			t.Errorf("%s: %d bytes in blocks, %d are data", path, blocks, present)
		}
		if n := xattr(t, path, "bytes_missing"); n != info.Size()-present {
			t.Errorf("%s: %d bytes missing by its attribute, %d by its holes", path, n, info.Size()-present)
		}
		whole := row["pages_total"] == strconv.FormatInt(info.Size()/4096, 10) // not if another program is in its place
		if n := xattr(t, path, "pages_present"); n != present/4096 || whole && strconv.FormatInt(n, 10) != row["pages_page_table"] {
			t.Errorf("%s: %d pages present, %d by its holes, %s by processes.csv", path, n, present/4096, row["pages_page_table"])
		}
	}
	shows := tool(t, "getfattr", "--absolute-names", "-d", m.path("3256-cmd.exe", "procexedump.exe"))
	for _, want := range []string{`user.memlens.layout="file"`, `user.memlens.image_base="0x4ad00000"`, `user.memlens.bytes_missing="0"`} {
		if !strings.Contains(shows, want) {
			t.Errorf("getfattr shows no %s:\n%s", want, shows)
		}
	}
}

// dataBytes adds up the data that SEEK_DATA and SEEK_HOLE report, and checks that holes read as zeros.
func dataBytes(t *testing.T, f *os.File, size int64) int64 {
	t.Helper()
	var sum int64
	for off := int64(0); off < size; {
		data, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			data = size
		} else if err != nil {
			t.Fatal(err)
		}
		hole := make([]byte, data-off)
		if n, err := f.ReadAt(hole, off); n < len(hole) {
			t.Fatal(err)
		}
		if strings.Trim(string(hole), "\x00") != "" {
			t.Errorf("%s: the hole at %#x is not zero", f.Name(), off)
		}
		if data == size {
			break
		}
		if off, err = unix.Seek(int(f.Fd()), data, unix.SEEK_HOLE); err != nil {
			t.Fatal(err)
		}
		sum += off - data
	}
	return sum
}

// xattr reads a number from an extended attribute.
func xattr(t *testing.T, path, name string) int64 {
	t.Helper()
	buf := make([]byte, 100)
	n, err := unix.Getxattr(path, "user.memlens."+name, buf)
	if err != nil {
		t.Fatalf("%s: %s: %v", path, name, err)
	}
	v, err := strconv.ParseInt(string(buf[:n]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestDuCountsWhatIsPresent lets du count an executable that is not completely present.
func TestDuCountsWhatIsPresent(t *testing.T) {
	image, _ := demo(t)
	m := mounted(t, image)
	path := m.path("2284-notepad.exe", "procmemdump.exe")
	count := func(flags ...string) int64 {
		n, err := strconv.ParseInt(strings.Fields(tool(t, "du", append(flags, path)...))[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	there, size := count("-B1"), count("-b")
	if missing := xattr(t, path, "bytes_missing"); missing == 0 || size-there != missing {
		t.Errorf("du counts %d of %d bytes, %d are missing", there, size, missing)
	}
}
