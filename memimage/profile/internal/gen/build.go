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

// readBuilds adds the kernels that files in dir describe by what changed since another one. data/win11x64_26100.txt
// explains their form.
func readBuilds(tables []layout.Table, dir string) ([]layout.Table, error) {
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
	}
	return tables, nil
}

// parseBuild splits a file into its opening lines, which begin with a word in small letters, and structures.
func parseBuild(text string, tables []layout.Table) (t layout.Table, err error) {
	var base *layout.Table
	var structures []string
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 || !slices.Contains([]string{"name", "version", "from", "keep"}, words[0]) {
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
		case "keep":
			err = keep(&t, base, words[1:])
		}
		if err != nil {
			return t, err
		}
	}
	overlay, err := parseOverlay(strings.Join(structures, ""))
	for _, o := range overlay {
		if find(t.Structs, o.Name) != nil {
			return t, fmt.Errorf("%s is both kept and given", o.Name)
		}
		t.Structs = append(t.Structs, o.Struct)
	}
	return t, err
}

// keep takes structures of the base as they are, but for their size where it is given.
func keep(t *layout.Table, base *layout.Table, names []string) error {
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
