package main

import (
	"errors"
	"fmt"
	"strings"
)

// The statuses with which the program ends, except 0. Go itself ends a program with 2 after a panic.
const (
	exitFailed   = 1
	exitCrashed  = 2
	exitProblems = 3
	exitNotRun   = 126 // as shells do
	exitNotFound = 127
	exitSignal   = 128 // plus the number of the signal
)

// exitStatuses are all statuses, for the help and the manual. A status without the name of a command is for all commands.
var exitStatuses = []struct{ of, status, means string }{
	{"", "0", "all was done, whatever is damaged or missing in the image; a mount or server that was ended by Ctrl-C, SIGTERM or umount, too"},
	{"", fmt.Sprint(exitFailed), "it could not be done, or not all of it, or was interrupted: standard error says why"},
	{"", fmt.Sprint(exitCrashed), "the program crashed by a fault of its own: please report what it wrote"},
	{"report", fmt.Sprint(exitProblems), "an image could not be opened, or not read to its end: its problem record says why"},
	{"mount", fmt.Sprintf("%d, %d", exitNotRun, exitNotFound), "the command behind -- cannot be run, or does not exist"},
	{"mount", fmt.Sprintf("%d + n", exitSignal), "the command behind -- was ended by the signal n"},
	{"mount", "any other", "the status of the command behind --"},
}

// exitHelp is the table as the help prints it.
func exitHelp() string {
	var out strings.Builder
	out.WriteString("Exit status:\n")
	for _, e := range exitStatuses {
		if e.of != "" {
			e.of += ": "
		}
		fmt.Fprintf(&out, "  %-9s  %s%s\n", e.status, e.of, e.means)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// exitError is an error that ends the program with another status than 1. If err is nil, nothing is printed.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}
func (e *exitError) Unwrap() error { return e.err }

// exitStatus is the program's exit status for an error.
func exitStatus(err error) int {
	if with, ok := errors.AsType[*exitError](err); ok {
		return with.status
	}
	return exitFailed
}
