// Gen turns a JSON table of kernel layouts into the archive that package profile embeds.
//
//	go run ./internal/gen offsets.json data/builtin.ntl
//
// The JSON names its own form under "meta". What the JSON lacks is completed by rule (complete.go) and from the
// overlay next to the archive (overlay.go).
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"memlens/memimage/profile/internal/layout"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: gen offsets.json archive")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(from, to string) error {
	tables, err := readOffsets(from)
	if err != nil {
		return err
	}
	completeAnonymous(tables)
	completeKDBG(tables)
	if err := applyOverlay(tables, filepath.Join(filepath.Dir(to), "overlay.txt")); err != nil {
		return err
	}
	for i := range tables {
		tables[i].Normalize()
	}
	return os.WriteFile(to, layout.Encode(tables), 0o644)
}
