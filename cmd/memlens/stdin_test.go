package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"memlens/memimage/synth/corpus"
)

// piped returns the program with a file coming through a pipe.
func piped(t *testing.T, file string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := program(t, args...)
	cmd.Stdin = struct{ *bytes.Reader }{bytes.NewReader([]byte(readFile(t, file)))} // it is no *os.File, so it becomes a pipe
	return cmd
}

// TestStdin gives an image through a pipe to every command that takes an image. The results are the same as with the
// file, except the image's name.
func TestStdin(t *testing.T) {
	corpus.Long(t)
	image := filepath.Join(t.TempDir(), "stdin") // the name of the image in the tree
	if err := os.Rename(demoPath(t), image); err != nil {
		t.Fatal(err)
	}
	out, spool := t.TempDir(), t.TempDir()
	for _, args := range [][]string{{"info", "IMAGE"}, {"pages", "IMAGE"}, {"info", "IMAGE", "--json"}} {
		run := func(image string) []string {
			return append([]string{args[0], image}, args[2:]...)
		}
		r := finish(t, piped(t, image, append(run("-"), "--spool-dir", spool)...))
		want := succeeds(t, run(image)...)
		want = strings.ReplaceAll(want, image, "stdin")
		if r.code != 0 || strings.TrimSpace(undated(r.stdout)) != strings.TrimSpace(undated(want)) {
			t.Errorf("%q: status %d, %s\n%s\nwant\n%s", args, r.code, r.stderr, r.stdout, want)
		}
		if want := "memlens: copying standard input to a temporary file in " + spool + "\nmemlens: standard input has 67108864 bytes, 64 MiB\n"; r.stderr != want {
			t.Errorf("%q says %q", args, r.stderr)
		}
	}
	if r := finish(t, piped(t, image, "report", "-", "--records", "image")); r.code != 0 || !strings.Contains(r.stdout, `"image":"stdin","name":"stdin"`) {
		t.Errorf("report: %d, %s, %s", r.code, r.stdout, r.stderr)
	}
	if r := finish(t, piped(t, image, "extract", "-", "--out", filepath.Join(out, "piped"), "--pid", "2284")); r.code != 0 {
		t.Errorf("extract: %d, %s", r.code, r.stderr)
	}
	succeeds(t, "extract", image, "--out", filepath.Join(out, "file"), "--pid", "2284")
	tool(t, "diff", "-r", filepath.Join(out, "file", "2284-notepad.exe"), filepath.Join(out, "piped", "2284-notepad.exe"))
	if left := matches(t, filepath.Join(spool, "*")); left != nil {
		t.Errorf("%q is left", left)
	}
}

// TestStdinOfMounts mounts an image from a pipe, with a command and in the background.
func TestStdinOfMounts(t *testing.T) {
	corpus.Long(t)
	needFUSE(t)
	image, _ := demo(t)
	r := finish(t, piped(t, image, "mount", "-", t.TempDir(), "--", "sh", "-c", `grep -h /stdin /proc/self/mounts; grep -o '"stdin"' "$MEMLENS_MOUNT/image.json"; cat`))
	if r.code != 0 || !strings.Contains(r.stdout, `"stdin"`) {
		t.Errorf("with a command: %d, %s, %s", r.code, r.stdout, r.stderr)
	}
	dir, log := t.TempDir(), filepath.Join(t.TempDir(), "log")
	cmd := piped(t, image, "mount", "-", dir, "--daemon", "--log", log)
	t.Cleanup(func() { exec.Command("umount", "-l", dir).Run() })
	if r := finish(t, cmd); r.code != 0 || !strings.Contains(r.stdout, "stdin is mounted on "+dir) {
		t.Errorf("in the background: %d, %s, %s", r.code, r.stdout, r.stderr)
	}
	if got := mountsOn(t, dir); !strings.HasPrefix(got, "stdin ") {
		t.Errorf("mounted as %q", got)
	}
	tool(t, "umount", dir)
}

// TestStdinThatIsNone gives nothing, something that is no image, and the same input twice.
func TestStdinThatIsNone(t *testing.T) {
	refusedOf := func(in string, args ...string) string {
		cmd := program(t, args...)
		cmd.Stdin = struct{ *strings.Reader }{strings.NewReader(in)}
		r := finish(t, cmd)
		if r.code != 1 || r.stdout != "" {
			t.Errorf("%q: status %d, %q", args, r.code, r.stdout)
		}
		return r.stderr
	}
	if said := refusedOf("", "info", "-"); !strings.HasSuffix(said, "memlens: stdin is empty\n") {
		t.Errorf("of nothing: %q", said)
	}
	if said := refusedOf("text without end", "info", "-"); !strings.Contains(said, "memlens: stdin: no Windows system found in this image") {
		t.Errorf("of text: %q", said)
	}
	if said := refusedOf("", "report", "-", "x", "-"); !strings.Contains(said, "standard input can be read once") {
		t.Errorf("twice: %q", said)
	}
	file := writeFile(t, "f", []byte("text"))
	cmd := program(t, "info", "-", "--spool-dir", "/nowhere") // a regular file needs no folder
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	cmd.Stdin = in
	if r := finish(t, cmd); r.code != 1 || !strings.Contains(r.stderr, "memlens: stdin: no Windows system") {
		t.Errorf("of a file: %q", r.stderr)
	}
}

// TestStdinInterrupted waits for a pipe to which no program writes.
func TestStdinInterrupted(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	defer in.Close()
	var said lockedBuffer
	spool := t.TempDir()
	cmd := program(t, "info", "-", "--spool-dir", spool)
	cmd.Stdin, cmd.Stderr = in, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it waits", func() bool { return strings.Contains(said.String(), "copying standard input") })
	time.Sleep(20 * time.Millisecond)
	cmd.Process.Signal(os.Interrupt)
	start := time.Now()
	cmd.Wait()
	if took := time.Since(start); took > time.Second || cmd.ProcessState.ExitCode() != 1 || !strings.HasSuffix(said.String(), "memlens: interrupted\n") {
		t.Errorf("after %v it ends with %v: %s", took, cmd.ProcessState, said.String())
	}
	if left := matches(t, filepath.Join(spool, "*")); left != nil {
		t.Errorf("%q is left", left)
	}
}

// TestStdinOnAFullDisk copies more than there is room for, and an image whose bytes fit because its zeros take no space.
func TestStdinOnAFullDisk(t *testing.T) {
	corpus.Long(t)
	needMounts(t)
	dir := t.TempDir()
	on32M := func(source string) result {
		cmd := program(t, "info", "-")
		ownMounts(t, cmd, `mount -t tmpfs -o size=32M none "$TMPDIR" && `+source+` | "$0" "$@"; status=$?; ls "$TMPDIR"; exit $status`)
		cmd.Env = append(cmd.Env, "TMPDIR="+dir)
		return finish(t, cmd)
	}
	r := on32M("head -c 20M /dev/urandom")
	if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "memlens: copying stdin to a file in "+dir+", after ") || !strings.Contains(r.stderr, " free and the last 16777216 bytes (16 MiB) are left") || !strings.Contains(r.stderr, "--spool-dir") || strings.Contains(r.stderr, "unpack") {
		t.Errorf("status %d, %q, %q", r.code, r.stdout, r.stderr)
	}
	image := demoPath(t)
	if r := on32M("cat " + image); r.code != 0 || !strings.Contains(r.stdout, "67108864 bytes") {
		t.Errorf("an image: status %d, %q, %q", r.code, r.stdout, r.stderr)
	}
	if r := on32M("gzip -c " + image + " >$TMPDIR/x.gz; head -c 17M /dev/zero | tr '\\0' x >$TMPDIR/x; cat $TMPDIR/x.gz"); r.code != 1 || !strings.Contains(r.stderr, "copying stdin: ") {
		t.Errorf("with less than the reserve: status %d, %q, %q", r.code, r.stdout, r.stderr)
	}
}
