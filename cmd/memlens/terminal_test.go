//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal returns the two ends of a terminal: what is written to the second can be read from the first.
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

// TestProgressOnATerminal searches a file that is no image: on a terminal it is seen how far the searches have come, elsewhere
// it is not.
func TestProgressOnATerminal(t *testing.T) {
	file := writeFile(t, "no.raw", random(32<<20))
	screen, tty := terminal(t)
	cmd := program(t, "info", file)
	cmd.Stderr = tty
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	seen, _ := io.ReadAll(screen) // until the program has let go of the terminal
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
