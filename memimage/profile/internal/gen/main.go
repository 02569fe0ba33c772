// Gen turns a JSON table of kernel layouts into the archive that package profile embeds.
//
//	go run ./internal/gen offsets.json data/overlay.txt data/builtin.ntl
//
// The JSON explains its own form under "meta", and the overlay in its head. What the JSON lacks is completed by rule
// (complete.go) and from the overlay (overlay.go).
package main

import (
	"fmt"
	"os"

	"memlens/memimage/profile/internal/layout"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: gen offsets.json overlay.txt archive")
		os.Exit(2)
	}
	archive, err := generate(os.Args[1], os.Args[2])
	if err == nil {
		err = os.WriteFile(os.Args[3], archive, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func generate(offsets, overlay string) ([]byte, error) {
	tables, err := readOffsets(offsets)
	if err != nil {
		return nil, err
	}
	completeAnonymous(tables)
	completeKDBG(tables)
	if err := applyOverlay(tables, overlay); err != nil {
		return nil, err
	}
	for i := range tables {
		tables[i].Normalize()
	}
	return layout.Encode(tables), nil
}
