package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"memlens/fs/fusefs"
	"memlens/memimage/synth"
)

// A process must not use a mount that it serves, and only a process has an exit code. So the test binary starts
// itself again as the program: this variable tells it so.
const mainEnv = "MEMLENS_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(mainEnv) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// program returns the program with its arguments, not yet started.
func program(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), mainEnv+"=1", "XDG_CACHE_HOME="+t.TempDir())
	return cmd
}

// result is the end of a run of the program.
type result struct {
	stdout, stderr string
	code           int
}

// memlens runs the program to its end.
func memlens(t testing.TB, args ...string) result {
	t.Helper()
	return finish(t, program(t, args...))
}

func finish(t testing.TB, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// succeeds runs the program and returns its output.
func succeeds(t testing.TB, args ...string) string {
	t.Helper()
	r := memlens(t, args...)
	if r.code != 0 {
		t.Fatalf("memlens %q exits with %d:\n%s", args, r.code, r.stderr)
	}
	return r.stdout
}

// mount is a mount that another process serves.
type mount struct {
	t     testing.TB
	dir   string
	cmd   *exec.Cmd
	ready string // the line that says that the image is mounted
	log   lockedBuffer
	ended chan struct{}
	err   error // of the process, once it has ended
}

// mounted mounts an image for the time of the test.
func mounted(t testing.TB, image string, flags ...string) *mount {
	t.Helper()
	return mountedOn(t, t.TempDir(), image, flags...)
}

func mountedOn(t testing.TB, dir, image string, flags ...string) *mount {
	t.Helper()
	needFUSE(t)
	m := &mount{t: t, dir: dir, ended: make(chan struct{})}
	m.cmd = program(t, append([]string{"mount", image, dir}, flags...)...)
	m.cmd.Stderr = &m.log
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.kill)
	lines := bufio.NewReader(out)
	m.ready, _ = lines.ReadString('\n')
	go func() {
		io.Copy(io.Discard, lines)
		m.err = m.cmd.Wait()
		close(m.ended)
	}()
	if !strings.Contains(m.ready, " is mounted on "+dir+": ") {
		<-m.ended
		t.Fatalf("memlens mount says %q and %v:\n%s", m.ready, m.err, m.log.String())
	}
	return m
}

func (m *mount) path(elem ...string) string {
	return filepath.Join(append([]string{m.dir}, elem...)...)
}

// unmount ends the mount as Ctrl-C does, and fails the test if it does not end well.
func (m *mount) unmount() {
	m.t.Helper()
	m.cmd.Process.Signal(os.Interrupt)
	select {
	case <-m.ended:
		if m.err != nil {
			m.t.Errorf("memlens ends with %v:\n%s", m.err, m.log.String())
		}
	case <-time.After(20 * time.Second):
		m.t.Errorf("memlens does not end:\n%s", m.log.String())
	}
}

// kill ends the mount if the test has not ended it.
func (m *mount) kill() {
	m.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-m.ended:
	case <-time.After(5 * time.Second):
		m.cmd.Process.Kill()
		<-m.ended
		exec.Command("umount", "-l", m.dir).Run()
	}
}

// lockedBuffer is a buffer that one goroutine fills while another reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// demo is the demo's image, with the folder of its originals.
func demo(t testing.TB) (image, originals string) {
	t.Helper()
	image = filepath.Join(t.TempDir(), "demo.raw")
	mem, err := synth.Build(synth.Demo())
	if err != nil {
		t.Fatal(err)
	}
	if err := writeDemo(mem, image, image+".originals"); err != nil {
		t.Fatal(err)
	}
	return image, image + ".originals"
}

// write builds a memory and writes it to a file.
func write(t testing.TB, system synth.System) string {
	t.Helper()
	mem, err := synth.Build(system)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "built.raw")
	if err := mem.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// table reads a CSV file as rows of columns by name.
func table(t testing.TB, path string) []map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	var out []map[string]string
	for _, row := range rows[1:] {
		m := map[string]string{}
		for i, column := range rows[0] {
			m[column] = row[i]
		}
		out = append(out, m)
	}
	return out
}

// tool runs a program that must succeed and returns its output.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	return toolIn(t, ".", name, args...)
}

// toolIn runs a program in a folder.
func toolIn(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	needTool(t, name)
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%.2000s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// shell runs a line of shell in a folder.
func shell(t testing.TB, dir, line string) string {
	t.Helper()
	return toolIn(t, dir, "bash", "-c", "set -euo pipefail; export LC_ALL=C; "+line)
}

func needTool(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		skip(t, name+" is not installed")
	}
}

// needFUSE skips the test where nothing can be mounted.
func needFUSE(t testing.TB) {
	t.Helper()
	if err := fusefs.Preflight(t.TempDir(), fusefs.Options{}); err != nil {
		skip(t, err.Error())
	}
}

// needMounts skips the test where a program cannot have mounts of its own.
func needMounts(t testing.TB) {
	t.Helper()
	needTool(t, "unshare")
	if os.Geteuid() != 0 || runtime.GOOS != "linux" {
		t.Skip("needs root")
	}
}

// ownMounts makes a program that was not started yet run from a shell script with mounts of its own. In the script, "$0" "$@" is
// the program with its arguments.
func ownMounts(t testing.TB, cmd *exec.Cmd, script string) {
	t.Helper()
	path, err := exec.LookPath("unshare")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Args = append([]string{"unshare", "--mount", "sh", "-c", script, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = path
}

func skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("MEMLENS_REQUIRE_TOOLS") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func writeFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// eventually waits until a condition is true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never is so that %s", what)
		}
	}
}
