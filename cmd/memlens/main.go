// Command memlens shows a Windows memory image as a read-only tree of files, in which every process is a directory with
// its executable as recovered from memory, pictures of it, and comparisons with reference files.
//
// This package alone prints and reads flags; a file per subcommand.
package main

import (
	"context"
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
		os.Exit(1)
	}
}
