package minidump

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"memlens/memimage/synth/corpus"
)

// TestAgreesWithLLDB reads a minidump that Wine wrote, and compares the result with LLDB's: the modules, the
// protections of memory, and bytes of every region.
func TestAgreesWithLLDB(t *testing.T) {
	lldb, err := exec.LookPath("lldb")
	if err != nil {
		if os.Getenv("MEMLENS_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skip("lldb is not installed")
	}
	file := corpus.ReadXZ(t, "../../testdata/minidump/small.dmp.xz")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "small.dmp"), file, 0o644); err != nil {
		t.Fatal(err)
	}
	d := open(t, file)
	checkLLDB(t, d, runLLDB(t, lldb, dir, d), dir)
}

// runLLDB asks for the modules, and for the protection and the first bytes of each region in memory; the bytes go to
// files.
func runLLDB(t *testing.T, lldb, dir string, d *Dump) string {
	t.Helper()
	args := []string{"-b", "-o", "target create --core small.dmp", "-o", "image list"}
	for _, m := range committed(d) {
		args = append(args, "-o", fmt.Sprintf("memory region %#x", m.Base))
		if _, err := d.Memory.Probe(int64(m.Base)); err == nil {
			args = append(args, "-o", fmt.Sprintf("memory read --force --binary --outfile %x -c 4096 %#x", m.Base, m.Base))
		}
	}
	cmd := exec.Command(lldb, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// committed returns the regions with memory.
func committed(d *Dump) (out []MemoryInfo) {
	for _, m := range d.Infos {
		if m.State == Commit {
			out = append(out, m)
		}
	}
	return out
}

func checkLLDB(t *testing.T, d *Dump, out, dir string) {
	t.Helper()
	var modules []string
	for _, m := range regexp.MustCompile(`(?m)^\[ *\d+\].* 0x([0-9a-f]{16}) (.*?) ?$`).FindAllStringSubmatch(out, -1) {
		modules = append(modules, m[1]+" "+lastPart(m[2]))
	}
	var want []string
	for _, m := range d.Modules {
		want = append(want, fmt.Sprintf("%016x %s", m.Base, lastPart(m.Path)))
	}
	if strings.Join(modules, "\n") != strings.Join(want, "\n") {
		t.Errorf("modules %q, lldb has %q", want, modules)
	}
	regions := regexp.MustCompile(`(?m)^\[0x([0-9a-f]{16})-0x([0-9a-f]{16})\) ([rwx-]{3})`).FindAllStringSubmatch(out, -1)
	infos := committed(d)
	if len(regions) != len(infos) {
		t.Fatalf("%d regions, lldb has %d:\n%s", len(infos), len(regions), out)
	}
	read := 0
	for i, m := range infos {
		if end, _ := strconv.ParseUint(regions[i][2], 16, 64); end != m.End() || regions[i][3] != letters(m.Protect) {
			t.Errorf("the region at %#x ends at %#x and is %s, lldb says %s", m.Base, m.End(), letters(m.Protect), regions[i][0])
		}
		got, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%x", m.Base)))
		if err != nil {
			continue
		}
		read++
		b := make([]byte, 4096)
		if _, err := d.Memory.ReadAt(b, int64(m.Base)); err != nil || !bytes.Equal(b, got) {
			t.Errorf("the bytes at %#x are not those that lldb has (%v)", m.Base, err)
		}
	}
	if read < 10 {
		t.Errorf("lldb has read %d regions:\n%s", read, out)
	}
}

func lastPart(path string) string { return path[strings.LastIndexAny(path, `\/`)+1:] }

// letters writes a protection as lldb does.
func letters(protect uint32) string {
	for _, p := range []struct {
		mask uint32
		s    string
	}{{0x02, "r--"}, {0x04, "rw-"}, {0x08, "rw-"}, {0x10, "--x"}, {0x20, "r-x"}, {0x40, "rwx"}, {0x80, "rwx"}} {
		if protect&p.mask != 0 {
			return p.s
		}
	}
	return "---"
}
