package fs

import (
	"fmt"
	"strings"

	"memlens/memimage"
)

// processName returns the name of a process's directory: its id and its name, with everything that a shell or another
// file system could stumble over written as %XX.
func processName(p *memimage.Process) string {
	name := safeName(p.RawName)
	if name == "" {
		name = "unnamed"
	}
	return fmt.Sprintf("%d-%s", p.PID, name)
}

// safeName writes bytes that are not printable ASCII, or that some file system does not allow in names, as %XX.
func safeName(raw []byte) string {
	var out strings.Builder
	for i, c := range raw {
		last := i == len(raw)-1
		if c < ' ' || c > '~' || strings.IndexByte(`/\:*?"<>|%`, c) >= 0 || last && (c == '.' || c == ' ') {
			fmt.Fprintf(&out, "%%%02x", c)
			continue
		}
		out.WriteByte(c)
	}
	return out.String()
}

// distinct gives names that are unlike each other, whatever their case: the tree may be copied to a file system that takes
// no notice of it.
type distinct map[string]bool

// name returns the name, or, where it is taken, the first of again(0), again(1) … that is not.
func (d distinct) name(name string, again func(n int) string) string {
	for n := 0; d[strings.ToLower(name)]; n++ {
		name = again(n)
	}
	d[strings.ToLower(name)] = true
	return name
}

// numbered returns the name, or, where it is taken, the name with the first number from 2 on that is not.
func (d distinct) numbered(name string) string {
	return d.name(name, func(n int) string { return fmt.Sprintf("%s~%d", name, n+2) })
}

// named gives every process a name of its own: the first of several with one name keeps it, the others get the
// address of their _EPROCESS too.
func named(processes []*memimage.Process) (names []string, byName map[string]*memimage.Process) {
	byName = map[string]*memimage.Process{}
	taken := distinct{}
	for _, p := range processes {
		base := processName(p)
		name := taken.name(base, func(n int) string { return fmt.Sprintf("%s@%x", base, eprocess(p)+uint64(n)) })
		names = append(names, name)
		byName[name] = p
	}
	return names, byName
}

// eprocess returns the address of a process's structure: virtual, or physical where that is not known.
func eprocess(p *memimage.Process) uint64 {
	if p.VA != 0 {
		return uint64(p.VA)
	}
	return uint64(p.PA)
}
