package main

import (
	"bytes"
	"encoding/csv"
	"fmt"

	"memlens/memimage/profile/internal/layout"
)

// sourcesCSV lists the public table that each profile comes from, for each kernel that the profile is known to fit.
// files has the file of a profile within its source; the files of symbol tables have the name of the PDB file. If a
// row has no PDB file, the source does not name it.
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

// dotted is a version as four numbers; the last is 0 if the source does not have it.
func dotted(v layout.Version) string { return fmt.Sprintf("%d.%d.%d.%d", v[0], v[1], v[2], v[3]) }
