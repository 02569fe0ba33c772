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
	ctx := untilTold()
	bars := newBars()
	if err := run(withBars(ctx, bars)); err != nil {
		if text := message(err); text != "" {
			fmt.Fprintln(bars, prefixed(text))
		}
		os.Exit(exitStatus(err))
	}
}

// untilTold returns a context that ends when the program gets a signal to end. The cause of the context of
// [signal.NotifyContext] is another error; here it is [context.Canceled], which messages know.
func untilTold() context.Context {
	ctx, end := context.WithCancel(context.Background())
	told := make(chan os.Signal, 1)
	signal.Notify(told, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-told
		end()
	}()
	return ctx
}

// run runs the command of the arguments, or as a mount helper.
func run(ctx context.Context) error {
	root := rootCommand()
	args, helper, err := helperArgs(os.Args[0], os.Args[1:], isCommandOf(root))
	if err != nil {
		return err
	}
	if helper {
		os.Args = append(os.Args[:1:1], args...) // the program in the background gets them, too
		root.SetArgs(args)
	}
	if isForShell(os.Args[1:]) {
		completes(root)
	}
	if asksForChoices(os.Args[1:]) {
		withoutQuotes(root)
	}
	var out checkedOutput
	root.SetOut(&out)
	if err := root.ExecuteContext(ctx); err != nil {
		return err
	}
	return out.err
}

// checkedOutput is standard output, and keeps its first error: not everything that writes to it looks at errors.
type checkedOutput struct {
	failed func() // called with the first error; nil: nothing is to be done
	err    error
}

// Write implements [io.Writer].
func (o *checkedOutput) Write(p []byte) (int, error) {
	n, err := os.Stdout.Write(p)
	if err != nil && o.err == nil {
		if o.err = err; o.failed != nil {
			o.failed()
		}
	}
	return n, err
}
