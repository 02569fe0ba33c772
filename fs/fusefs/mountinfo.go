//go:build linux

package fusefs

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"
)

// mountEntry is a line of /proc/self/mountinfo; see proc_pid_mountinfo(5).
type mountEntry struct {
	dev    string // major:minor
	dir    string // the mount point, absolute and free of symbolic links
	fstype string
	source string
}

// fuse reports whether a program of ours, or another's, serves the mount.
func (m mountEntry) fuse() bool {
	return m.fstype == "fuse" || strings.HasPrefix(m.fstype, "fuse.")
}

// readMounts returns the mounts listed in the file, in the order they were made, or
// nothing where there is no such file.
func readMounts(file string) []mountEntry {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	return parseMounts(f)
}

func parseMounts(r io.Reader) []mountEntry {
	var list []mountEntry
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if m, ok := parseMount(lines.Text()); ok {
			list = append(list, m)
		}
	}
	return list
}

// parseMount takes a line apart: six fields, optional ones up to "-", and three more.
func parseMount(line string) (mountEntry, bool) {
	before, after, ok := strings.Cut(line, " - ")
	left, right := strings.Fields(before), strings.Fields(after)
	if !ok || len(left) < 6 || len(right) < 2 {
		return mountEntry{}, false
	}
	return mountEntry{dev: left[2], dir: unescapeOctal(left[4]), fstype: right[0], source: unescapeOctal(right[1])}, true
}

// unescapeOctal undoes the kernel's \040 for space, tab, newline and backslash.
func unescapeOctal(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// topMount returns the mount that is visible at dir: the last one made there.
func topMount(list []mountEntry, dir string) (mountEntry, bool) {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].dir == dir {
			return list[i], true
		}
	}
	return mountEntry{}, false
}

// coveringMount returns the mount with the longest mount point at or above p.
func coveringMount(list []mountEntry, p string) (mountEntry, bool) {
	var best mountEntry
	for _, m := range list {
		if within(m.dir, p) && len(m.dir) >= len(best.dir) {
			best = m
		}
	}
	return best, best.dir != ""
}

// within reports whether p is dir or lies below it. Both are absolute and clean.
func within(dir, p string) bool {
	rest, ok := strings.CutPrefix(p, strings.TrimSuffix(dir, "/"))
	return ok && (rest == "" || rest[0] == '/')
}
