package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"memlens/memimage/synth/corpus"
)

// bufferedProgram is a program whose output is read while it runs.
type bufferedProgram struct {
	*exec.Cmd
	out   io.Closer
	shown *bufio.Reader
	said  bytes.Buffer
}

// begun starts the demo and returns it when it has shown some lines. The first command that it shows, ls, only waits for some
// seconds. Its temporary folder is the second result.
func begun(t *testing.T, lines int, seconds string) (cmd *bufferedProgram, temp string) {
	t.Helper()
	needFUSE(t)
	temp = t.TempDir()
	t.Setenv("TMPDIR", temp)
	tools := t.TempDir()
	if err := os.WriteFile(filepath.Join(tools, "ls"), []byte("#!/bin/sh\nexec sleep "+seconds+"\n"), 0o777); err != nil {
		t.Fatal(err)
	}
	cmd = &bufferedProgram{Cmd: program(t, "demo")}
	cmd.Env = append(cmd.Env, "PATH="+tools+":"+os.Getenv("PATH"))
	cmd.Stderr = &cmd.said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd.out, cmd.shown = out, bufio.NewReaderSize(out, 16)
	for range lines {
		if _, err := cmd.shown.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	return cmd, temp
}

// TestDemoThatIsInterrupted ends the demo at its beginning and within its commands: it says so and leaves nothing behind.
func TestDemoThatIsInterrupted(t *testing.T) {
	corpus.Long(t)
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if signal.Ignored(sig) { // as below nohup; the demo then ignores it, too
			continue
		}
		for _, lines := range []int{1, 3} {
			cmd, temp := begun(t, lines, "1")
			cmd.Process.Signal(sig)
			cmd.shown.WriteTo(new(bytes.Buffer))
			cmd.Wait()
			if said := cmd.said.String(); cmd.ProcessState.ExitCode() != exitFailed || !strings.HasSuffix(said, "interrupted\n") { // before that, it may say that ls still uses the mount
				t.Errorf("%v after %d lines: %v, %q", sig, lines, cmd.ProcessState, said)
			}
			if left := matches(t, filepath.Join(temp, "*")); left != nil {
				t.Errorf("%v after %d lines leaves %q", sig, lines, left)
			}
		}
	}
}

// TestDemoWhoseReaderGoes shows the demo to a reader of three lines, as head -3 is.
func TestDemoWhoseReaderGoes(t *testing.T) {
	cmd, temp := begun(t, 3, "1")
	cmd.out.Close()
	cmd.Wait()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGPIPE || withoutNamespaces(cmd.said.String()) != "" {
		t.Errorf("%v, %q", cmd.ProcessState, cmd.said.String())
	}
	if left := matches(t, filepath.Join(temp, "*")); left != nil {
		t.Errorf("it leaves %q", left)
	}
}

// withoutNamespaces leaves out the line that another mount namespace has the mount: a browser or a container that is started at the
// same time, perhaps by the tests of another package, takes a copy of every mount that there is.
func withoutNamespaces(said string) (out string) {
	for line := range strings.Lines(said) {
		if !strings.Contains(line, " is unmounted, but another mount namespace, such as a container's, still has it.") {
			out += line
		}
	}
	return out
}

// TestDemoShowsWhole shows the whole demo. Its table has no cells that a comma tears, and README.md has its digests.
func TestDemoShowsWhole(t *testing.T) {
	needFUSE(t)
	needTool(t, "column")
	t.Setenv("TMPDIR", t.TempDir())
	shown := succeeds(t, "demo")
	_, table, _ := strings.Cut(shown, "column -s, -t\n")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := strings.Split(table, "\n")
	if got := strings.Fields(rows[0]); strings.Join(got, " ") != "pid name status image_base path" || len(rows) < 10 {
		t.Errorf("the table is\n%s", table)
	}
	for _, row := range rows[2:] { // System has no path
		if n := len(strings.Fields(row)); n != 5 {
			t.Errorf("%d cells: %s", n, row)
		}
	}
	readme := readFile(t, "../../README.md")
	digests := regexp.MustCompile(`(?m)^([0-9a-f]{32})  (?:/.*/originals/cmd\.exe|3256-cmd\.exe/.*)$`).FindAllStringSubmatch(shown, -1)
	if len(digests) != 3 {
		t.Errorf("%d digests:\n%s", len(digests), shown)
	}
	for _, d := range digests {
		if !strings.Contains(readme, "\n"+d[1]+"  ") {
			t.Errorf("README.md lacks %s", d[0])
		}
	}
}

// TestDemoWithoutFUSE copies the demo, says where the copy stays, and leaves nothing when it cannot be shown.
func TestDemoWithoutFUSE(t *testing.T) {
	corpus.Long(t)
	needMounts(t)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	run := func(redirect string) result {
		cmd := program(t, "demo")
		ownMounts(t, cmd, `mount -t tmpfs none /mnt && mknod /mnt/null c 1 3 && mknod /mnt/full c 1 7 && mknod /mnt/urandom c 1 9 && mount --bind /mnt /dev && exec "$0" "$@" `+redirect)
		return finish(t, cmd)
	}
	if r := run(">/dev/full"); r.code != exitFailed || !strings.Contains(r.stderr, "no space left") || matches(t, filepath.Join(temp, "*")) != nil {
		t.Errorf("to a full disk: %+v, and it leaves %q", r, matches(t, filepath.Join(temp, "*")))
	}
	r := run("")
	left := matches(t, filepath.Join(temp, "*"))
	if r.code != 0 || len(left) != 1 || !strings.Contains(r.stdout, "stay there until you remove them: rm -r "+left[0]+"\n") {
		t.Errorf("%+v, and it leaves %q", r, left)
	}
}

// TestDemoIsWrittenOnce writes the demo's image where there is none, where it is already, and where another file is.
func TestDemoIsWrittenOnce(t *testing.T) {
	corpus.Long(t)
	path := filepath.Join(t.TempDir(), "demo.raw")
	succeeds(t, "demo", "--write", path)
	r := memlens(t, "demo", "--write", path)
	if want := "memlens: " + path + " is the demo's image already\n"; r.code != 0 || r.stderr != want {
		t.Errorf("again: %+v", r)
	}
	original := filepath.Join(path+".originals", "cmd.exe")
	for _, of := range []string{path, original} {
		data := []byte(readFile(t, of))
		data[len(data)/2] ^= 1
		if err := os.WriteFile(of, data, 0o666); err != nil {
			t.Fatal(err)
		}
		r := memlens(t, "demo", "--write", path)
		if !strings.Contains(r.stderr, of+" exists and is not the demo's: remove it, or name another file") || r.code != exitFailed || readFile(t, of) != string(data) {
			t.Errorf("over %s: %+v", of, r)
		}
		if err := os.Remove(of); err != nil {
			t.Fatal(err)
		}
		succeeds(t, "demo", "--write", path)
	}
}
