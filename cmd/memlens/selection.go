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
	what []string // of whatNames; none: processes as far as they are not modules or regions
	name string   // a glob that a process, a module, a driver or a file must be called by; empty: any
	pids []uint   // of processes; none: all
}

// whatNames are what may be asked for.
var whatNames = []string{"executables", "pictures", "modules", "drivers", "regions", minidumps, "all"}

// minidumps stands for the memory of processes, which is large: it is asked for by its name alone.
const minidumps = "minidumps"

// check refuses what cannot be asked for.
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

// has reports whether any of these is asked for.
func (s *selection) has(what ...string) bool {
	return slices.ContainsFunc(s.what, func(w string) bool { return w == "all" || slices.Contains(what, w) })
}

// whole reports whether directories are wanted whatever is in them.
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

// wantsPID reports whether a process is asked for by its id, or none is.
func (s *selection) wantsPID(name string) bool {
	pid, _, _ := strings.Cut(path.Base(name), "-")
	n, err := strconv.ParseUint(pid, 10, 64)
	return len(s.pids) == 0 || err == nil && slices.Contains(s.pids, uint(n))
}

// wantsFile reports whether a file of the tree is wanted, of which memory.raw is none.
func (s *selection) wantsFile(name string) bool {
	if dir := path.Dir(name); dir == "." || dir == "scanned" {
		return s.wantsOverview(path.Base(name))
	}
	if path.Base(path.Dir(name)) == "gallery" { // its pictures are called by the directories of processes
		process := strings.TrimSuffix(name, ".bmp")
		return s.wantsPID(process) && (s.wantsName(name) || s.wantsName(process)) && (len(s.what) == 0 || s.has("pictures"))
	}
	return s.wantsName(name) && s.wantsKind(name)
}

// wantsOverview reports whether a file is wanted that tells of all processes or drivers.
func (s *selection) wantsOverview(base string) bool {
	switch base {
	case "drivers.csv":
		return len(s.what) == 0 || s.has("drivers")
	case "drivers-digests.csv": // all drivers are read for it
		return s.has("drivers")
	case "index.html":
		return len(s.what) == 0 || s.has("pictures")
	}
	return true
}

// wantsName reports whether what the file belongs to, or the file itself, is called as asked for.
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

// wantsKind reports whether a file in a directory of a process, module, driver or region is of a kind that is wanted.
func (s *selection) wantsKind(name string) bool {
	parts := strings.Split(name, "/")
	base := parts[len(parts)-1]
	for _, special := range []string{"modules", "drivers", "regions"} {
		if slices.Contains(parts[:len(parts)-1], special) || base == special+".csv" {
			return s.has(special) || len(s.what) == 0 && base == special+".csv"
		}
	}
	if base == "digests.csv" { // all modules are read for it
		return s.has("modules")
	}
	if base == fs.MinidumpName {
		return slices.Contains(s.what, minidumps)
	}
	if len(s.what) == 0 {
		return true
	}
	switch path.Ext(base) {
	case ".bmp", ".png", ".gif", ".html":
		return s.has("pictures")
	}
	return s.has("executables")
}
