package profile

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The files in testdata/public have the offsets of members from public tables. Most of the built-in profiles come
// from other tables. A cell is an offset, or offset:first bit:bits of a bitfield, or the size of a structure; an
// empty cell says that the kernel has no such member.

// publicTable reads one of these files.
func publicTable(t *testing.T, name string) [][]string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata/public", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comment = '#'
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// firstOf returns the likeliest profile for a kernel if only its version is known.
func firstOf(t *testing.T, arch Arch, version string) *Profile {
	t.Helper()
	var v Version
	if _, err := fmt.Sscanf(version, "%d.%d.%d.%d", &v.Major, &v.Minor, &v.Build, &v.Revision); err != nil {
		t.Fatalf("version %q: %v", version, err)
	}
	v.Revision = max(1, v.Revision) // 0 means that it is not known
	return Builtin().Candidates(arch, v)[0]
}

// cellOf returns the cell of a member as it should be by a profile.
func cellOf(p *Profile, path string, bits bool) string {
	if !strings.Contains(path, ".") {
		size, _ := p.SizeOf(path)
		return fmt.Sprintf("%#x", size)
	}
	f, ok := p.Field(path)
	switch {
	case !ok:
		return ""
	case f.Bits > 0 && bits:
		return fmt.Sprintf("%#x:%d:%d", f.Offset, f.BitPos, f.Bits)
	}
	return fmt.Sprintf("%#x", f.Offset)
}

func TestBuiltinAgainstPublicStructures(t *testing.T) {
	for name, least := range map[string]int{"vergilius-x64.csv": 27, "vergilius-x86.csv": 19, "ntoskrnlib-x64.csv": 1} {
		arch := map[bool]Arch{true: X86, false: X64}[strings.Contains(name, "x86")]
		rows := publicTable(t, name)
		if builds := len(rows[0]) - 1; builds < least || len(rows) < 60 {
			t.Errorf("%s: %d builds, %d members", name, builds, len(rows)-1)
		}
		for i, version := range rows[0][1:] {
			p := firstOf(t, arch, version)
			for _, row := range rows[1:] {
				if got, want := cellOf(p, row[0], strings.Contains(row[i+1], ":")), row[i+1]; got != want {
					t.Errorf("%s %s %s: %s has %q, want %q", name, version, row[0], p.Name(), got, want)
				}
			}
		}
	}
}

// Each row describes all kernels from one version to another.
func TestBuiltinAgainstManyKernels(t *testing.T) {
	for name, least := range map[string]int{"systeminformer-x64.csv": 13, "edrsandblast-x64.csv": 14} {
		rows := publicTable(t, name)
		if len(rows)-1 < least {
			t.Errorf("%s: %d rows", name, len(rows)-1)
		}
		for _, row := range rows[1:] {
			for _, version := range row[:2] {
				p := firstOf(t, X64, version)
				for i, path := range rows[0][3:] {
					if got, want := cellOf(p, path, false), row[i+3]; got != want {
						t.Errorf("%s %s %s: %s has %q, want %q", name, version, path, p.Name(), got, want)
					}
				}
			}
		}
	}
}
