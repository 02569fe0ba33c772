package format

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// filteredXZ returns the beginning of a file that xz made with --x86 --lzma2.
func filteredXZ() []byte {
	return []byte("\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46\x02\x01\x04\x00\x21\x01\x16\x00\x0d\x86\x35\x1f" + strings.Repeat("x", 200))
}

func xzFilterOf(t *testing.T, data []byte) string {
	t.Helper()
	_, err := Open(newMemSource("a.xz", data), Options{SpoolDir: t.TempDir()})
	var not *NotMemoryError
	if !errors.As(err, &not) || !strings.HasPrefix(not.Do, "unpack it first") {
		return ""
	}
	_, name, _ := strings.Cut(not.What, "filter for ")
	return name
}

func TestXZFilterIsNamed(t *testing.T) {
	data := filteredXZ()
	if got := xzFilterOf(t, data); got != "x86" {
		t.Errorf("filter %q", got)
	}
	sized := append([]byte(nil), data...)
	copy(sized[12:], "\x04\xc1\xff\x01\xff\xff\x02\x0a\x00\x21\x01\x16")
	if got := xzFilterOf(t, sized); got != "ARM64" {
		t.Errorf("behind the sizes of the block: filter %q", got)
	}
	for _, whole := range [][]byte{packXZ(0)(t, testPages(0, 2)), packXZ(5000)(t, testPages(0, 2)), data[:13], data[:14], data[:12]} {
		if got := xzFilterOf(t, whole); got != "" {
			t.Errorf("filter %q in a file that has none", got)
		}
	}
}

// TestXZFiltersOfTheTool has the filters that xz has.
func TestXZFiltersOfTheTool(t *testing.T) {
	tool(t, "xz")
	path := filepath.Join(t.TempDir(), "a.lime")
	if err := os.WriteFile(path, writeLiME(testMemory()[:1]), 0o600); err != nil {
		t.Fatal(err)
	}
	for option, want := range map[string]string{"--x86": "x86", "--delta": "delta", "--arm": "ARM", "--armthumb": "ARM Thumb", "--powerpc": "PowerPC", "--ia64": "IA-64", "--sparc": "SPARC"} {
		data, err := exec.Command("xz", "-c", option, "--lzma2", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := xzFilterOf(t, data); got != want {
			t.Errorf("%s: filter %q", option, got)
		}
	}
}

func FuzzXZFilter(f *testing.F) {
	f.Add(filteredXZ())
	fuzzOpener(f, refuseXZFilter)
}
