package main

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"memlens/fs"
)

// selection says which files of a tree are copied.
type selection struct {
	what []string // some of whatNames; none: processes without their modules and regions
	name string   // a glob for the name of a process, a module, a driver or a file; empty: any name
	pids []uint   // process ids; none: all
}

// whatNames are the values of --what.
var whatNames = []string{"executables", "pictures", "modules", "drivers", "regions", minidumps, "all"}

// minidumps stands for the memory of processes. It is large, so it is copied only if it is asked for by this name.
const minidumps = "minidumps"

// check returns an error for values that do not exist.
func (s *selection) check() error {
	for _, w := range s.what {
		if !slices.Contains(whatNames, w) {
			return fmt.Errorf("--what %s: there is %s", w, strings.Join(whatNames, ", "))
		}
	}
	if _, err := path.Match(s.name, ""); err != nil {
		return fmt.Errorf("--name %s: that is no pattern: %w", s.name, err)
	}
	return nil
}

// has reports whether one of these names is asked for.
func (s *selection) has(what ...string) bool {
	return slices.ContainsFunc(s.what, func(w string) bool { return w == "all" || slices.Contains(what, w) })
}

// whole reports whether directories are wanted whatever they hold.
func (s *selection) whole() bool {
	return s.name == "" && (len(s.what) == 0 || slices.Contains(s.what, "all"))
}

// wantsDir reports whether anything in a directory of the tree may be wanted.
func (s *selection) wantsDir(name string) bool {
	if isProcess(name) && !s.wantsPID(name) {
		return false
	}
	switch path.Base(name) {
	case "modules":
		return s.has("modules")
	case "drivers":
		return s.has("drivers")
	case "regions":
		return s.has("regions")
	}
	return true
}

// wantsPID reports whether a process is wanted by its id; without --pid all are.
func (s *selection) wantsPID(name string) bool {
	pid, _, _ := strings.Cut(path.Base(name), "-")
	n, err := strconv.ParseUint(pid, 10, 64)
	return len(s.pids) == 0 || err == nil && slices.Contains(s.pids, uint(n))
}

// wantsFile reports whether a file of the tree is wanted. It is not asked about memory.raw.
func (s *selection) wantsFile(name string) bool {
	if dir := path.Dir(name); dir == "." || dir == "scanned" {
		return s.wantsOverview(path.Base(name))
	}
	if path.Base(path.Dir(name)) == "gallery" { // its pictures are named after the directories of processes
		process := strings.TrimSuffix(name, ".bmp")
		return s.wantsPID(process) && (s.wantsName(name) || s.wantsName(process)) && (len(s.what) == 0 || s.has("pictures"))
	}
	return s.wantsName(name) && s.wantsKind(name)
}

// wantsOverview reports whether a file that describes all processes or drivers is wanted.
func (s *selection) wantsOverview(base string) bool {
	switch base {
	case "drivers.csv":
		return len(s.what) == 0 || s.has("drivers")
	case "drivers-digests.csv": // it reads all drivers
		return s.has("drivers")
	case "index.html":
		return len(s.what) == 0 || s.has("pictures")
	}
	return true
}

// wantsName reports whether the name asked for matches the file, or one of the directories that it lies in.
func (s *selection) wantsName(name string) bool {
	if s.name == "" {
		return true
	}
	pattern := strings.ToLower(s.name)
	for part := range strings.SplitSeq(strings.ToLower(name), "/") {
		_, called, numbered := strings.Cut(part, "-")
		whole, _ := path.Match(pattern, part)
		rest, _ := path.Match(pattern, called)
		if whole || numbered && rest {
			return true
		}
	}
	return false
}

// wantsKind reports whether the kind of a file is wanted. The file lies in a directory of a process, module, driver or region.
func (s *selection) wantsKind(name string) bool {
	parts := strings.Split(name, "/")
	base := parts[len(parts)-1]
	for _, special := range []string{"modules", "drivers", "regions"} {
		if slices.Contains(parts[:len(parts)-1], special) || base == special+".csv" {
			return s.has(special) || len(s.what) == 0 && base == special+".csv"
		}
	}
	if base == "digests.csv" { // it reads all modules
		return s.has("modules")
	}
	if base == fs.MinidumpName {
		return slices.Contains(s.what, minidumps)
	}
	if len(s.what) == 0 {
		return true
	}
	switch path.Ext(base) {
	case ".bmp", ".png", ".gif", ".svg", ".html":
		return s.has("pictures")
	}
	return s.has("executables")
}
