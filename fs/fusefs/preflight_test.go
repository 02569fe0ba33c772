//go:build linux

package fusefs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// testHost returns a system where everything is as it should be, in a directory.
func testHost(t *testing.T) (host, string) {
	t.Helper()
	dir := t.TempDir()
	h := host{
		device:    filepath.Join(dir, "fuse"),
		conf:      filepath.Join(dir, "fuse.conf"),
		mountinfo: filepath.Join(dir, "mountinfo"),
		lookPath:  func(name string) (string, error) { return "/bin/" + name, nil },
	}
	write(t, h.device, "")
	return h, dir
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestCheckFUSE(t *testing.T) {
	remove := func(h *host) { _ = os.Remove(h.device) }
	closed := func(h *host) { h.device = filepath.Dir(h.device) } // a directory cannot be opened for writing
	noHelper := func(h *host) { h.lookPath = func(string) (string, error) { return "", exec.ErrNotFound } }
	asRoot := func(h *host) { h.root = true }
	conf := func(text string) func(*host) {
		return func(h *host) { _ = os.WriteFile(h.conf, []byte(text), 0o644) }
	}
	for _, c := range []struct {
		name   string
		change []func(*host)
		o      Options
		says   string // "" if all is well
	}{
		{"all well", nil, Options{}, ""},
		{"no device", []func(*host){remove}, Options{}, "modprobe fuse"},
		{"no device as root", []func(*host){remove, asRoot}, Options{}, "memlens extract"},
		{"closed device", []func(*host){closed}, Options{}, "chmod 666"},
		{"closed device as root", []func(*host){closed, asRoot}, Options{}, "--cap-add SYS_ADMIN"},
		{"no fusermount3", []func(*host){noHelper}, Options{}, "apt install fuse3"},
		{"no fusermount3 as root", []func(*host){noHelper, asRoot}, Options{}, ""},
		{"others, no fuse.conf", nil, Options{AllowOther: true}, "user_allow_other"},
		{"others, commented out", []func(*host){conf("#user_allow_other\n")}, Options{AllowOther: true}, "user_allow_other"},
		{"others, allowed", []func(*host){conf("mount_max = 5\n user_allow_other \n")}, Options{AllowOther: true}, ""},
		{"others as root", []func(*host){asRoot}, Options{AllowOther: true}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, _ := testHost(t)
			for _, change := range c.change {
				change(&h)
			}
			says(t, h.checkFUSE(c.o), c.says)
		})
	}
}

// says checks that an error has a text in it, or that there is none.
func says(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%v; want %q in it", err, want)
	}
}

func TestMountPoint(t *testing.T) {
	h, top := testHost(t)
	at := func(name string) string { return filepath.Join(top, name) }
	for _, name := range []string{"empty", "full", "disk", "other tree"} {
		if err := os.Mkdir(at(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, at("full/file"), "")
	if err := os.Symlink("empty", at("link")); err != nil {
		t.Fatal(err)
	}
	write(t, h.mountinfo, "1 0 8:1 / "+at("disk")+" rw - ext4 /dev/sda1 rw\n"+
		"2 0 0:50 / "+strings.ReplaceAll(at("other tree"), " ", `\040`)+" ro shared:1 - fuse.memlens /x.raw ro\n")
	for _, c := range []struct{ name, says string }{
		{"empty", ""},
		{"link", ""},
		{"absent dir", "does not exist; make it with: mkdir -p '" + at("absent dir") + "'"},
		{"fuse", "is not a directory"},
		{"full", `is not empty (it holds "file")`},
		{"disk", "is already a mount point: /dev/sda1 of type ext4; choose another"},
		{"other tree", "is already mounted: /x.raw of type fuse.memlens; unmount it with: fusermount3 -u '" + at("other tree") + "'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := h.mountPoint(at(c.name))
			says(t, err, c.says)
			if c.says == "" && got != at("empty") {
				t.Errorf("%s, want %s", got, at("empty"))
			}
		})
	}
}

func TestHelperOrder(t *testing.T) {
	for _, c := range []struct{ installed, want string }{
		{"fusermount3 fusermount", "fusermount3"},
		{"fusermount", "fusermount"},
		{"/bin/fusermount", "/bin/fusermount"},
		{"", ""},
	} {
		h := host{lookPath: func(name string) (string, error) {
			for _, have := range strings.Fields(c.installed) {
				if name == have {
					return name, nil
				}
			}
			return "", exec.ErrNotFound
		}}
		got, err := h.helper()
		if got != c.want || errors.Is(err, exec.ErrNotFound) != (c.want == "") {
			t.Errorf("with %q: %q, %v", c.installed, got, err)
		}
	}
}

func TestShellQuote(t *testing.T) {
	for in, want := range map[string]string{
		"/mnt/xp":      "/mnt/xp",
		"":             "''",
		"/mnt/my case": "'/mnt/my case'",
		"it's":         `'it'\''s'`,
		"$(reboot)":    "'$(reboot)'",
		"/mnt/ü":       "/mnt/ü",
	} {
		if got := ShellQuote(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
