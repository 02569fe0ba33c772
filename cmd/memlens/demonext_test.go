package main

import (
	"bytes"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"memlens/memimage/synth/corpus"
)

// nextCommands returns the three commands that the demo ends with.
func nextCommands(t *testing.T, shown string) (out []string) {
	t.Helper()
	_, next, ok := strings.Cut(shown, "hree things to do next")
	if !ok {
		t.Fatalf("nothing is said of what to do next:\n%s", shown)
	}
	for line := range strings.Lines(next) {
		if command, ok := strings.CutPrefix(line, "   "); ok {
			out = append(out, strings.TrimSuffix(command, "\n"))
		}
	}
	if len(out) != 3 {
		t.Fatalf("%d things to do next:\n%s", len(out), next)
	}
	return out
}

// asTyped runs one of these commands as a user would, with its own home. The program is the program under test.
func asTyped(t *testing.T, dir, command string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", "exec 2>&1; "+strings.ReplaceAll(strings.ReplaceAll(command, "go run ./cmd/memlens", self), self+" mount", "exec "+self+" mount"))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), mainEnv+"=1", "HOME="+dir, "XDG_CACHE_HOME="+t.TempDir())
	return cmd
}

// pageOf returns the page that a command opens, and checks that it exists.
func pageOf(t *testing.T, command string) string {
	t.Helper()
	path := strings.TrimPrefix(strings.TrimPrefix(command, "xdg-open "), "open ")
	if u, err := url.Parse(command); err == nil && u.Scheme == "file" {
		path = u.Path
	}
	return readFile(t, path)
}

// TestDemoSaysWhatIsNext opens the pages that a mounted demo names, and mounts an image with its third command.
func TestDemoSaysWhatIsNext(t *testing.T) {
	corpus.Long(t)
	needFUSE(t)
	t.Setenv("TMPDIR", t.TempDir())
	cmd := program(t, "demo", "--keep")
	var shown lockedBuffer
	cmd.Stdout, cmd.Stderr = &shown, &shown
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the demo ends with %v:\n%s", err, &shown)
		}
	}()
	eventually(t, "the third thing is said", func() bool {
		return strings.Contains(shown.String(), " mount ") && strings.HasSuffix(shown.String(), "memory\n")
	})
	next := nextCommands(t, shown.String())
	if page := pageOf(t, next[0]); !strings.Contains(page, "<title>Processes of") {
		t.Errorf("%s opens %.200s", next[0], page)
	}
	if page := pageOf(t, next[1]); !strings.Contains(page, `class="alarm v4"`) || !strings.Contains(page, "not the file that it claims to be") {
		t.Errorf("%s opens a page without a red alarm: %.200s", next[1], page)
	}
	home := t.TempDir()
	mount := asTyped(t, home, next[2])
	var log lockedBuffer
	mount.Stdout = &log
	if err := mount.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the image is mounted", func() bool {
		_, err := os.Stat(filepath.Join(home, "memory", hollowedDemo, "procexedump.exe"))
		return err == nil
	})
	mount.Process.Signal(os.Interrupt)
	if err := mount.Wait(); err != nil {
		t.Errorf("%s ends with %v:\n%s", next[2], err, &log)
	}
}

// TestDemoThatIsGoneSaysHowToHaveItAgain runs the commands that a demo without a terminal prints, in an empty folder.
func TestDemoThatIsGoneSaysHowToHaveItAgain(t *testing.T) {
	var out bytes.Buffer
	nextAnew(&out)
	next := nextCommands(t, out.String())
	dir := t.TempDir()
	image, serve, ok := strings.Cut(next[0], " && ")
	if said, err := asTyped(t, dir, image).CombinedOutput(); err != nil || !ok {
		t.Fatalf("%s: %v\n%s", image, err, said)
	}
	serve = strings.Replace(serve, " serve ", " serve --listen 127.0.0.1:0 ", 1) // the usual port may be taken
	cmd := asTyped(t, dir, "exec "+serve)
	var log lockedBuffer
	cmd.Stdout = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() }()
	eventually(t, "it is served", func() bool { return strings.Contains(log.String(), "http://") })
	address := strings.Fields(log.String()[strings.Index(log.String(), "http://"):])[0]
	red := address + strings.TrimPrefix(next[1], "http://127.0.0.1:8080/")
	if _, page := fetched(t, request(t, red)); !strings.Contains(page, `class="alarm v4"`) {
		t.Errorf("%s has no red alarm: %.200s", red, page)
	}
}
