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
	bars := newBars()
	if err := run(withBars(ctx, bars)); err != nil {
		if text := message(err); text != "" {
			fmt.Fprintln(bars, "memlens:", text)
		}
		os.Exit(exitStatus(err))
	}
}

// run runs the command of the arguments, or as a mount helper.
func run(ctx context.Context) error {
	root := rootCommand()
	args, helper, err := helperArgs(os.Args[0], os.Args[1:], isCommandOf(root))
	if err != nil {
		return err
	}
	if helper {
		os.Args = append(os.Args[:1:1], args...) // what is started in the background has them
		root.SetArgs(args)
	}
	return root.ExecuteContext(ctx)
}
