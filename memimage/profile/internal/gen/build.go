package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"memlens/memimage/profile/internal/layout"
)

// readBuilds adds the kernels that files in dir describe by the changes since another kernel, and adds the names of
// these files to files. data/win11x64_26100.txt explains their form.
func readBuilds(tables []layout.Table, dir string, files map[string]string) ([]layout.Table, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "win*.txt"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths { // sorted
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		t, err := parseBuild(string(b), tables)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		tables = append(tables, t)
		files[t.Name] = "data/" + filepath.Base(path)
	}
	return tables, nil
}

// parseBuild splits a file into its opening lines, which begin with a word in small letters, and structures.
func parseBuild(text string, tables []layout.Table) (t layout.Table, err error) {
	var base *layout.Table
	var structures, changed []string
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 || !slices.Contains([]string{"name", "version", "from", "since", "source", "keep", "change", "drop"}, words[0]) {
			structures = append(structures, line)
			continue
		}
		structures = append(structures, "\n")
		switch words[0] {
		case "name":
			t.Name = words[1]
		case "version":
			t.Version, err = parseVersion(words[1])
		case "from":
			if base = findTable(tables, words[1]); base == nil {
				return t, fmt.Errorf("no profile %q to start from", words[1])
			}
			t.Arch, t.PTE, t.KDBG = base.Arch, base.PTE, base.KDBG
			t.Source = "public symbols of the build; structures that did not change from " + base.Name
		case "source":
			t.Source = strings.Join(words[1:], " ")
		case "since":
			err = since(base, words[1])
		case "keep":
			err = keep(&t, base, words[1:])
		case "change":
			changed = append(changed, words[1:]...)
		case "drop":
			err = drop(&t, words[1:])
		}
		if err != nil {
			return t, err
		}
	}
	overlay, err := parseOverlay(strings.Join(structures, ""))
	for _, o := range overlay {
		kept := find(t.Structs, o.Name)
		switch {
		case kept == nil:
			t.Structs = append(t.Structs, o.Struct)
		case slices.Contains(changed, o.Name):
			change(kept, o.Struct)
		default:
			return t, fmt.Errorf("%s is both kept and given", o.Name)
		}
	}
	return t, err
}

// since sets the version from which on kernels have the layout of the base, if older kernels are known to have it,
// too.
func since(base *layout.Table, version string) (err error) {
	if base == nil {
		return fmt.Errorf("since before from")
	}
	base.Version, err = parseVersion(version)
	return err
}

// change gives a structure the size and the members of another. Members that only the structure itself has stay.
func change(s *layout.Struct, to layout.Struct) {
	s.Size = to.Size
	for _, f := range to.Fields {
		s.Fields = slices.DeleteFunc(s.Fields, func(old layout.Field) bool { return old.Name == f.Name })
	}
	s.Fields = append(s.Fields, to.Fields...)
}

// drop takes members, named by their paths, out of structures that were kept.
func drop(t *layout.Table, paths []string) error {
	for _, path := range paths {
		name, member, _ := strings.Cut(path, ".")
		s := find(t.Structs, name)
		if s == nil || !slices.ContainsFunc(s.Fields, func(f layout.Field) bool { return f.Name == member }) {
			return fmt.Errorf("no member %s to drop", path)
		}
		s.Fields = slices.DeleteFunc(s.Fields, func(f layout.Field) bool { return f.Name == member })
	}
	return nil
}

// keep takes structures of the base as they are, except for their size if it is given; "*" stands for all structures.
func keep(t *layout.Table, base *layout.Table, names []string) error {
	if base != nil && slices.Equal(names, []string{"*"}) {
		for _, s := range base.Structs {
			s.Fields = slices.Clone(s.Fields)
			t.Structs = append(t.Structs, s)
		}
		return nil
	}
	for _, name := range names {
		name, size, resized := strings.Cut(name, ":")
		if base == nil || find(base.Structs, name) == nil {
			return fmt.Errorf("no structure %s to keep", name)
		}
		s := *find(base.Structs, name)
		s.Fields = slices.Clone(s.Fields)
		if resized {
			n, err := number(size, 0, nil)
			if err != nil {
				return err
			}
			s.Size = n
		}
		t.Structs = append(t.Structs, s)
	}
	return nil
}

func findTable(tables []layout.Table, name string) *layout.Table {
	i := slices.IndexFunc(tables, func(t layout.Table) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &tables[i]
}

func parseVersion(s string) (v layout.Version, err error) {
	parts := strings.Split(s, ".")
	if len(parts) != len(v) {
		return v, fmt.Errorf("version %q is not of four parts", s)
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return v, fmt.Errorf("version %q: %w", s, err)
		}
		v[i] = uint32(n)
	}
	return v, nil
}
