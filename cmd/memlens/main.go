// Command memlens shows a Windows memory image as a read-only tree of files, in which every process is a directory with
// its executable as recovered from memory, pictures of it, and comparisons with reference files.
//
// This package alone prints and reads flags; a file per subcommand.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := rootCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "memlens:", message(err))
		os.Exit(exitStatus(err))
	}
}

// exitError is an error with which the program ends by another status than 1.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// exitStatus is the status with which the program ends by an error.
func exitStatus(err error) int {
	if with, ok := errors.AsType[*exitError](err); ok {
		return with.status
	}
	return 1
}
