// Gen turns tables of kernel layouts into the archive that package profile embeds.
//
//	go run ./internal/gen data
//
// The tables are data/offsets.json.xz, which explains its own form under "meta", and texts, which do in their heads:
// kernels that the JSON lacks have a text of their own each (build.go); structures it lacks are completed by rule
// (complete.go) and from data/overlay.txt (overlay.go). The archive is data/builtin.ntl; data/sources.csv says where
// each profile comes from (sources.go).
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"memlens/memimage/profile/internal/layout"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gen data")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func write(data string) error {
	made, err := generate(data)
	for name, content := range made {
		if err == nil {
			err = os.WriteFile(filepath.Join(data, name), content, 0o644)
		}
	}
	return err
}

// generate makes the files that depend on the others in data.
func generate(data string) (made map[string][]byte, err error) {
	tables, files, err := readOffsets(filepath.Join(data, "offsets.json.xz"))
	if err != nil {
		return nil, err
	}
	completeKDBG(tables)
	if tables, err = readBuilds(tables, data, files); err != nil {
		return nil, err
	}
	if err := applyOverlay(tables, filepath.Join(data, "overlay.txt")); err != nil {
		return nil, err
	}
	slices.SortStableFunc(tables, byVersion)
	for i := range tables {
		tables[i].Normalize()
	}
	sources, err := sourcesCSV(tables, files)
	return map[string][]byte{"builtin.ntl": layout.Encode(tables), "sources.csv": sources}, err
}
