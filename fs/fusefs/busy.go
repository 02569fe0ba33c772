//go:build linux

package fusefs

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// user is a process that uses a mount, and how it does: its working directory is there,
// or a file of it is open.
type user struct {
	PID  int
	Name string
	How  string
}

func (u user) String() string { return fmt.Sprintf("%s (pid %d: %s)", u.Name, u.PID, u.How) }

func describeUsers(dir string, users []user) string {
	if len(users) == 0 {
		return "a process that cannot be seen from here; as root, `fuser -vm " + ShellQuote(dir) + "` names it"
	}
	list := make([]string, len(users))
	for i, u := range users {
		list[i] = u.String()
	}
	return strings.Join(list, ", ")
}

// Bounds on the search for users: a message needs a few names, not all names.
const (
	maxUsers    = 8
	maxFDs      = 1 << 14
	maxMaps     = 1 << 20
	searchLimit = 2 * time.Second
)

// users searches /proc for processes that use the mount, and the mount table for mounts inside it. It only reads the
// names of the files that processes have open: looking at the files themselves would use the mount.
func (s *Server) users() []user {
	var list []user
	for _, m := range readMounts(s.host.mountinfo) {
		if m.dir != s.dir && within(s.dir, m.dir) {
			list = append(list, user{PID: 1, Name: "the kernel", How: "mount on " + m.dir})
		}
	}
	return append(list, findUsers("/proc", s.dir)...)
}

func findUsers(proc, dir string) []user {
	entries, _ := os.ReadDir(proc)
	deadline := time.Now().Add(searchLimit)
	var list []user
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if len(list) == maxUsers || time.Now().After(deadline) {
			break
		}
		p := filepath.Join(proc, e.Name())
		if how, ok := howUsed(p, dir); ok {
			list = append(list, user{PID: pid, Name: processName(p), How: how})
		}
	}
	return list
}

// howUsed says how the process with the directory p in /proc uses dir.
func howUsed(p, dir string) (string, bool) {
	for _, link := range []struct{ name, how string }{
		{"cwd", "working directory"}, {"root", "root directory"}, {"exe", "runs"},
	} {
		if target, err := os.Readlink(filepath.Join(p, link.name)); err == nil && within(dir, target) {
			return phrase(link.how, dir, target), true
		}
	}
	if how, ok := openFileIn(filepath.Join(p, "fd"), dir); ok {
		return how, true
	}
	return mappedFileIn(filepath.Join(p, "maps"), dir)
}

func openFileIn(fds, dir string) (string, bool) {
	f, err := os.Open(fds)
	if err != nil {
		return "", false
	}
	defer f.Close()
	names, _ := f.Readdirnames(maxFDs)
	for _, name := range names {
		if target, err := os.Readlink(filepath.Join(fds, name)); err == nil && within(dir, target) {
			return phrase("has open", dir, target), true
		}
	}
	return "", false
}

// mappedFileIn looks through the paths, each the rest of a line after five fields.
func mappedFileIn(maps, dir string) (string, bool) {
	f, err := os.Open(maps)
	if err != nil {
		return "", false
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, maxMaps))
	for lines.Scan() {
		if i := strings.IndexByte(lines.Text(), '/'); i >= 0 && within(dir, lines.Text()[i:]) {
			return phrase("has mapped", dir, lines.Text()[i:]), true
		}
	}
	return "", false
}

// phrase says how a file is used, by its name in the mount.
func phrase(how, dir, target string) string {
	rel := strings.TrimPrefix(strings.TrimPrefix(target, dir), "/")
	if rel == "" {
		return how
	}
	return how + " " + printable(rel)
}

// processName returns the name that ps shows.
func processName(p string) string {
	name, err := os.ReadFile(filepath.Join(p, "comm"))
	if err != nil {
		return "a process"
	}
	return printable(strings.TrimSuffix(string(name), "\n"))
}

// printable returns a name that others have chosen in a form that cannot control a terminal.
func printable(s string) string {
	if quoted := strconv.Quote(s); quoted != `"`+s+`"` {
		return quoted
	}
	return s
}
