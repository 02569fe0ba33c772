//go:build linux

package fusefs

import (
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// process makes the directory of a process in a /proc of the test's own.
func process(t *testing.T, proc string, pid int, name, maps string, links map[string]string) {
	t.Helper()
	p := filepath.Join(proc, strconv.Itoa(pid))
	if err := os.MkdirAll(filepath.Join(p, "fd"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(p, "comm"), name+"\n")
	write(t, filepath.Join(p, "maps"), maps)
	for link, target := range links {
		if err := os.Symlink(target, filepath.Join(p, link)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFindUsers(t *testing.T) {
	proc := t.TempDir()
	write(t, filepath.Join(proc, "version"), "not a process")
	const lib = "7f0000000000-7f0000001000 r--p 00000000 00:32 5                          /usr/lib/x.so\n"
	process(t, proc, 101, "bash", lib, map[string]string{"cwd": "/mnt/xp", "root": "/", "fd/0": "/dev/pts/0"})
	process(t, proc, 102, "innocent", lib, map[string]string{"cwd": "/mnt/xpx", "root": "/", "fd/0": "/mnt", "fd/1": "pipe:[5]"})
	process(t, proc, 103, "md5sum", lib, map[string]string{"cwd": "/", "fd/3": "/mnt/xp/3256-cmd.exe/procexedump.exe"})
	process(t, proc, 104, "yara", lib+"7f0000002000-7f0000003000 r--s 00000000 00:50 9    /mnt/xp/a b.exe\n", map[string]string{"cwd": "/"})
	process(t, proc, 105, "e\x1b[2Jvil", lib, map[string]string{"fd/4": "/mnt/xp/\x1b]0;x\a"})
	process(t, proc, 106, "wine", lib, map[string]string{"exe": "/mnt/xp/x.exe"})
	process(t, proc, os.Getpid(), "self", lib, map[string]string{"cwd": "/mnt/xp"})
	got := findUsers(proc, "/mnt/xp")
	want := []user{
		{101, "bash", "working directory"},
		{103, "md5sum", "has open 3256-cmd.exe/procexedump.exe"},
		{104, "yara", "has mapped a b.exe"},
		{105, `"e\x1b[2Jvil"`, `has open "\x1b]0;x\a"`},
		{106, "wine", "runs x.exe"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}

func TestFindUsersStopsAtEnough(t *testing.T) {
	proc := t.TempDir()
	for pid := 1000; pid < 1000+3*maxUsers; pid++ {
		process(t, proc, pid, "p", "", map[string]string{"cwd": "/mnt/xp"})
	}
	if got := findUsers(proc, "/mnt/xp"); len(got) != maxUsers {
		t.Errorf("%d users, want %d", len(got), maxUsers)
	}
}

func TestUsersAreNamed(t *testing.T) {
	for want, users := range map[string][]user{
		"bash (pid 1: working directory), tail (pid 2: has open x)": {{1, "bash", "working directory"}, {2, "tail", "has open x"}},
		"`fuser -vm /mnt/xp` names it":                              nil,
	} {
		if got := describeUsers("/mnt/xp", users); !strings.Contains(got, want) {
			t.Errorf("%s; want %q in it", got, want)
		}
	}
}
