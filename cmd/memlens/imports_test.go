package main

import (
	"os/exec"
	"strings"
	"testing"
)

// allowed says which of the project's own packages each package may import. A pattern that ends in "/..." covers a
// whole folder. A package without a row may import nothing of the project.
var allowed = map[string][]string{
	"memimage/reason":               {"memimage/rescue", "memimage/sparse"},
	"memimage/sparse/sparsetest":    {"memimage/sparse"},
	"memimage/paging":               {"memimage/reason", "memimage/sparse"},
	"memimage/store":                {"memimage/paging", "memimage/sparse", "memimage/xpress"},
	"memimage/mdmp":                 {"memimage/sparse"},
	"memimage/pe":                   {"memimage/sparse"},
	"memimage/pedump":               {"memimage/reason", "memimage/sparse"},
	"memimage/restore":              {"memimage/reason", "memimage/sparse"},
	"memimage/integrity":            {"memimage/pe", "memimage/reason", "memimage/restore", "memimage/sparse"},
	"memimage/reference":            {"memimage", "memimage/format", "memimage/remote", "memimage/sparse", "memimage/volume"},
	"memimage/digest":               {"memimage/pe", "memimage/rescue", "memimage/restore", "memimage/sparse", "render/similarity"},
	"memimage/report":               {"memimage", "memimage/..."},
	"memimage/minidump":             {"memimage/sparse"},
	"memimage/format":               {"memimage/format/...", "memimage/minidump", "memimage/reason", "memimage/rescue", "memimage/sparse", "memimage/xpress"},
	"memimage/volume":               {"memimage/rescue", "memimage/sparse", "memimage/xpress"},
	"memimage/remote":               {"memimage/format", "memimage/reason", "memimage/sparse"},
	"memimage/profile":              {"memimage/profile/..."},
	"memimage/profile/pdb":          {"memimage/profile/internal/layout"},
	"memimage/profile/isf":          {"memimage/profile/internal/layout"},
	"memimage/profile/internal/gen": {"memimage/profile/internal/layout"},
	"memimage/nt":                   {"memimage/minidump", "memimage/paging", "memimage/profile", "memimage/reason", "memimage/rescue", "memimage/sparse", "memimage/store"},
	"memimage/synth":                {"memimage/profile", "memimage/sparse", "memimage/synth/compress"},
	"memimage/synth/campaign":       {},
	"memimage/synth/loaded":         {},
	"memimage":                      {"memimage/..."},
	"render":                        {"memimage/sparse"},
	"render/figure":                 {"memimage/sparse", "render"},
	"render/similarity":             {"memimage/sparse"},
	"fs":                            {"memimage", "memimage/...", "render", "render/..."},
	"fs/fusefs":                     {"fs", "memimage/rescue"},
	"cmd/memlens":                   {"..."},
}

// TestImports checks the imports of every package, without its tests, against the table.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "memlens/...").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		from := strings.TrimPrefix(fields[0], "memlens/")
		for _, to := range fields[1:] {
			to, own := strings.CutPrefix(to, "memlens/")
			if own && !covers(allowed[from], to) {
				t.Errorf("%s imports %s, which is not allowed", from, to)
			}
			if strings.HasPrefix(to, "github.com/hanwen/go-fuse") && from != "fs/fusefs" {
				t.Errorf("%s imports go-fuse, which only fs/fusefs may", from)
			}
		}
	}
}

func covers(patterns []string, name string) bool {
	for _, p := range patterns {
		dir, room := strings.CutSuffix(p, "...")
		if p == name || room && strings.HasPrefix(name+"/", dir) {
			return true
		}
	}
	return false
}
