//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"memlens/memimage/synth/corpus"
)

// terminal returns the two ends of a terminal. Bytes written to the second can be read from the first.
func terminal(t *testing.T) (screen, tty *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { screen.Close() })
	n, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Skip(err)
	}
	return screen, tty
}

// TestProgressOnATerminal searches a file that is no image. A terminal shows the progress of the searches, other outputs do not.
func TestProgressOnATerminal(t *testing.T) {
	corpus.Long(t)
	file := writeFile(t, "no.raw", random(32<<20))
	screen, tty := terminal(t)
	cmd := program(t, "info", file)
	cmd.Stderr = tty
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	seen, _ := io.ReadAll(screen) // until the program has closed the terminal
	if cmd.Wait() == nil {
		t.Error("a system was found")
	}
	for _, want := range []string{"searching for the kernel", "searching for the System process"} {
		if !strings.Contains(string(seen), want) {
			t.Errorf("%q is not seen:\n%s", want, seen)
		}
	}
	if r := memlens(t, "info", file); strings.Contains(r.stderr, "searching for") && strings.Contains(r.stderr, "%") {
		t.Errorf("a bar is drawn where there is no terminal:\n%s", r.stderr)
	}
}

// onTerminal runs a program whose output, or only standard error, is a terminal. It returns the bytes written to the terminal.
func onTerminal(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	shown, tty := terminal(t)
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = tty, tty
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	seen, _ := io.ReadAll(shown) // until the program has closed the terminal
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, seen)
	}
	return string(seen)
}

// TestNoBarIsLeft scans an image on a terminal. Bars are drawn, and in the end the screen shows the same lines that
// are printed elsewhere.
func TestNoBarIsLeft(t *testing.T) {
	corpus.Long(t)
	image, _ := demo(t)
	for _, args := range [][]string{{"pages", image, "--scan"}, {"extract", image, "--out", "OUT", "--pid", "3256"}, {"-v", "info", image}} {
		run := func() []string {
			args := slices.Clone(args)
			if i := slices.Index(args, "OUT"); i >= 0 {
				args[i] = filepath.Join(t.TempDir(), "out")
			}
			return args
		}
		seen := onTerminal(t, program(t, run()...))
		if !strings.Contains(seen, "0% |") {
			t.Errorf("%q: no bar is drawn: %q", args, seen)
		}
		r := memlens(t, run()...)
		got, want := screen(strings.ReplaceAll(seen, "\r\n", "\n"), 1000), strings.Split(r.stderr+r.stdout, "\n")
		if len(got) != len(want) {
			t.Errorf("%q: the screen shows %d lines, and %d are printed:\n%s", args, len(got), len(want), strings.Join(got, "\n"))
		}
		for _, line := range got {
			if strings.Contains(line, "% |") {
				t.Errorf("%q: a bar is left: %q", args, line)
			}
		}
	}
}

// TestNoBarInBackground scans an image in the background of a terminal, as a shell starts it with &.
func TestNoBarInBackground(t *testing.T) {
	image, _ := demo(t)
	cmd := program(t, "pages", image, "--scan")
	cmd.Args = append([]string{"sh", "-mc", `"$0" "$@" & wait $!`, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = tool(t, "sh", "-c", "printf %s $(command -v sh)")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 1}
	if seen := onTerminal(t, cmd); strings.Contains(seen, "% |") || !strings.Contains(seen, "cmd.exe") {
		t.Errorf("in the background: %q", seen)
	}
}
