// Gen turns tables of kernel layouts into the archive that package profile embeds.
//
//	go run ./internal/gen data
//
// The tables are data/offsets.json.xz, which explains its own form under "meta", and texts, which do in their heads:
// kernels that the JSON lacks have a text of their own each (build.go); structures it lacks are completed by rule
// (complete.go) and from data/overlay.txt (overlay.go). The archive is data/builtin.ntl.
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
	archive, err := generate(os.Args[1])
	if err == nil {
		err = os.WriteFile(filepath.Join(os.Args[1], "builtin.ntl"), archive, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func generate(data string) ([]byte, error) {
	tables, err := readOffsets(filepath.Join(data, "offsets.json.xz"))
	if err != nil {
		return nil, err
	}
	completeAnonymous(tables)
	completeKDBG(tables)
	if tables, err = readBuilds(tables, data); err != nil {
		return nil, err
	}
	if err := applyOverlay(tables, filepath.Join(data, "overlay.txt")); err != nil {
		return nil, err
	}
	slices.SortStableFunc(tables, byVersion)
	for i := range tables {
		tables[i].Normalize()
	}
	return layout.Encode(tables), nil
}
