//go:build linux

package fusefs

import (
	"fmt"
	"strings"
	"testing"
)

const mountinfo = `21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
36 21 0:32 / /mnt rw - tmpfs tmpfs rw
40 36 0:50 / /mnt/my\040case ro,nosuid shared:7 master:2 - fuse.memlens /cases/a\134b.raw ro,user_id=0
41 36 0:51 / /mnt/my\040case ro - fuse.other second ro
damaged line
42 36 0:52 / /mnt/x
`

func TestParseMounts(t *testing.T) {
	list := parseMounts(strings.NewReader(mountinfo))
	if len(list) != 4 {
		t.Fatalf("%d mounts: %+v", len(list), list)
	}
	want := mountEntry{dev: "0:50", dir: "/mnt/my case", fstype: "fuse.memlens", source: `/cases/a\b.raw`}
	if list[2] != want {
		t.Errorf("%+v, want %+v", list[2], want)
	}
	if m, ok := topMount(list, "/mnt/my case"); !ok || m.dev != "0:51" {
		t.Errorf("on top: %+v", m)
	}
	if m, ok := topMount(list, "/mnt/my"); ok {
		t.Errorf("%+v is at no mount point", m)
	}
}

func TestCoveringMount(t *testing.T) {
	list := parseMounts(strings.NewReader(mountinfo))
	for p, want := range map[string]string{
		"/":                     "8:1",
		"/mntx":                 "8:1",
		"/mnt":                  "0:32",
		"/mnt/my":               "0:32",
		"/mnt/my case":          "0:51",
		"/mnt/my case/3256-cmd": "0:51",
	} {
		if m, _ := coveringMount(list, p); m.dev != want {
			t.Errorf("%s: %s, want %s", p, m.dev, want)
		}
	}
}

func TestReadMountsWithoutAList(t *testing.T) {
	if list := readMounts(t.TempDir() + "/absent"); list != nil {
		t.Errorf("%+v", list)
	}
}

// FuzzParseMount writes a mount as the kernel does and reads it back.
func FuzzParseMount(f *testing.F) {
	f.Add("mnt/xp", "/cases/xp.raw")
	f.Add("with space\tand\nmore\\040", "a - b")
	f.Fuzz(func(t *testing.T, dir, source string) {
		if source == "" {
			t.Skip()
		}
		dir = "/" + dir
		line := fmt.Sprintf("40 36 0:50 / %s ro shared:7 - fuse.memlens %s ro", escapeOctal(dir), escapeOctal(source))
		m, ok := parseMount(line)
		if !ok || m.dir != dir || m.source != source {
			t.Errorf("%q: %+v", line, m)
		}
		parseMount(dir)
	})
}

// escapeOctal escapes as the kernel's mangle, and also the other characters that Go takes for a space.
func escapeOctal(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == '\\' || c >= 0x7f {
			fmt.Fprintf(&b, `\%03o`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
