package main

import (
	"bytes"
	"encoding/csv"
	"fmt"

	"memlens/memimage/profile/internal/layout"
)

// sourcesCSV says of each profile, and of each kernel that it is known to fit, which public table it comes from. files
// has the file of a profile within its source; those of symbol tables are named after the PDB file. Where no PDB file
// stands, the source does not say of which one it is.
func sourcesCSV(tables []layout.Table, files map[string]string) ([]byte, error) {
	rows := [][]string{{"profile", "architecture", "version", "pdb", "guid", "age", "source", "file"}}
	for _, t := range tables {
		arch := map[uint8]string{layout.X86: "x86", layout.X64: "x64"}[t.Arch]
		if len(t.Kernels) == 0 {
			rows = append(rows, []string{t.Name, arch, dotted(t.Version), "", "", "", t.Source, files[t.Name]})
		}
		for _, k := range t.Kernels {
			guid := fmt.Sprintf("%X", k.GUID[:])
			file := fmt.Sprintf("symbols/windows/%s/%s-%d.json.xz", k.PDB, guid, k.Age)
			rows = append(rows, []string{t.Name, arch, dotted(k.Version), k.PDB, guid, fmt.Sprint(k.Age), t.Source, file})
		}
	}
	var out bytes.Buffer
	err := csv.NewWriter(&out).WriteAll(rows)
	return out.Bytes(), err
}

// dotted is a version as four numbers; the last is 0 where the source does not say.
func dotted(v layout.Version) string { return fmt.Sprintf("%d.%d.%d.%d", v[0], v[1], v[2], v[3]) }
