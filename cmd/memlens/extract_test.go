package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"memlens/memimage/synth"
	"memlens/memimage/synth/corpus"
)

// TestExtractIsTheMount compares the files that extract copies with the files in a mount, byte for byte.
func TestExtractIsTheMount(t *testing.T) {
	t.Parallel()
	image, originals := demo(t)
	if testing.Short() { // several goroutines copy processes, be they many or few
		system := synth.Demo()
		system.Processes = slices.DeleteFunc(system.Processes, func(p synth.Process) bool {
			return !slices.Contains([]uint64{3256, 2284, 2976}, p.PID)
		})
		image = write(t, system)
	}
	m := mounted(t, image, "--reference", originals, "--width", "100")
	out := filepath.Join(t.TempDir(), "new", "out")
	if got := succeeds(t, "extract", image, "--out", out, "--reference", originals, "--width", "100", "--memory", "--what", "all,minidumps"); !strings.HasSuffix(got, " files are in "+out+"\n") {
		t.Errorf("extract says %q", got)
	}
	tool(t, "diff", "-r", m.dir, out)
	const times = `find . -type f -printf '%p %T+ %s\n' | sort`
	if a, b := shell(t, m.dir, times), shell(t, out, times); a != b {
		t.Errorf("times differ:\n%s\n%s", a, b)
	}
	tool(t, "cmp", image, filepath.Join(out, "memory.raw"))
}

// TestExtractOfSomeProcesses copies the processes asked for, listed and scanned, and the files that belong to no process.
func TestExtractOfSomeProcesses(t *testing.T) {
	corpus.Long(t)
	image, _ := demo(t)
	out := filepath.Join(t.TempDir(), "out")
	succeeds(t, "extract", image, "--out", out, "--pid", "3256", "--pid", "2976,368")
	found, err := filepath.Glob(filepath.Join(out, "*-*"))
	scanned, _ := filepath.Glob(filepath.Join(out, "scanned", "[0-9]*-*"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range append(found, scanned...) {
		names = append(names, filepath.Base(path))
	}
	slices.Sort(names)
	if want := []string{"2976-agent.exe", "3256-cmd.exe", "368-smss.exe"}; !slices.Equal(names, want) {
		t.Errorf("extract copies %q, want %q", names, want)
	}
	if _, err := os.Stat(filepath.Join(out, "memory.raw")); !os.IsNotExist(err) {
		t.Errorf("memory.raw, which was not asked for: %v", err)
	}
	for _, name := range []string{"README.txt", "image.json", "processes.csv"} {
		if _, err := os.Stat(filepath.Join(out, name)); err != nil {
			t.Error(err)
		}
	}
}

// TestDemo runs the demo without a terminal: it shows its tour, ends, and leaves nothing mounted.
func TestDemo(t *testing.T) {
	needFUSE(t)
	t.Setenv("TMPDIR", t.TempDir())
	shown := succeeds(t, "demo")
	for _, want := range []string{"3256-cmd.exe", "procexedump.exe", "cmd.exe.bmp", "not recovered, because", "Three things to do next"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the demo does not show %q:\n%s", want, shown)
		}
	}
	if strings.Contains(shown, "exit status") {
		t.Errorf("a command of the tour fails:\n%s", shown)
	}
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) > 0 {
		t.Errorf("the demo leaves %v behind (%v)", left, err)
	}
	if strings.Contains(readFile(t, "/proc/self/mounts"), os.Getenv("TMPDIR")) {
		t.Error("the demo leaves its mount behind")
	}
}

// TestDemoRestoresTheOriginal checks the purpose of the demo: cmd.exe is restored as it was on disk.
func TestDemoRestoresTheOriginal(t *testing.T) {
	image, originals := demo(t)
	m := mounted(t, image)
	tool(t, "cmp", filepath.Join(originals, "cmd.exe"), m.path("3256-cmd.exe", "restored.exe"))
}
