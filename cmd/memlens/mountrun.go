package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// mountArguments takes an image and a folder, and behind -- a command with its arguments.
func mountArguments(cmd *cobra.Command, args []string) error {
	if at := cmd.ArgsLenAtDash(); at >= 0 {
		if len(args) == at {
			return errors.New("there is no command behind --")
		}
		args = args[:at]
	}
	return arguments(2)(cmd, args)
}

// commandLine is a command that is run while the image is mounted.
type commandLine struct {
	args []string
	done chan error
}

// killAfter is the time that a command has to end after the program was told to end.
const killAfter = 5 * time.Second

// start starts the command, and calls end when it has ended. When ctx is over, start sends the command a signal to end.
func (c *commandLine) start(ctx context.Context, dir string, end func()) {
	c.done = make(chan error, 1)
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(syscall.SIGTERM) }, killAfter
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "MEMLENS_MOUNT="+dir)
	go func() {
		c.done <- cmd.Run()
		end()
	}()
}

// status waits for the command. Its error ends the program with the command's own status; nil for 0.
func (c *commandLine) status() error { return commandError(c.args[0], <-c.done) }

// commandError is the error of a command that has ended. If the command has a status, no message is needed.
func commandError(name string, err error) error {
	var ended *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled): // it ended well after the signal
		return err
	case errors.As(err, &ended):
		if signal, ok := ended.Sys().(syscall.WaitStatus); ok && signal.Signaled() {
			return &exitError{exitSignal + int(signal.Signal()), nil}
		}
		return &exitError{ended.ExitCode(), nil}
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, os.ErrNotExist):
		return &exitError{exitNotFound, fmt.Errorf("%s: there is no such command", name)}
	case errors.Is(err, os.ErrPermission):
		return &exitError{exitNotRun, fmt.Errorf("%s: it may not be run", name)}
	}
	return &exitError{exitNotRun, err}
}
