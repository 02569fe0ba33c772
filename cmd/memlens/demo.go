package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"memlens/fs/fusefs"
	"memlens/memimage"
	"memlens/memimage/synth"
)

func demoCommand() *cobra.Command {
	var d demonstration
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Build a small Windows memory, mount it, and show what is in it",
		Long: `Builds the memory of a small Windows XP system with a command prompt (process 3256, at 0x4ad00000), a process that
runs another program than it claims (1912), a process with a function of ntdll.dll led elsewhere (1724), and a process that has
exited. Mounts it with the original files as references, runs a few commands on the mount, and says what to do next. On a terminal
it stays mounted until Ctrl-C. Where there is no FUSE it copies the tree instead.`,
		Example: `  memlens demo
  memlens demo --write demo.raw     # only write the image, and its originals beside it`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd.Context()) },
	}
	cmd.Flags().StringVar(&d.write, "write", "", "write the image to this `file`, the originals to FILE.originals, and do nothing else; no other file is overwritten")
	cmd.Flags().BoolVar(&d.keep, "keep", false, "stay mounted until interrupted, even when this is no terminal")
	return cmd
}

// demonstration is one run of the demo.
type demonstration struct {
	write string
	keep  bool
	tree  treeFlags
	stays bool // the folder of the demo is not removed
}

// run shows the demo, or writes its image. Signals that would end the program at once, and leave the folder behind, end the context instead.
func (d *demonstration) run(ctx context.Context) error {
	if d.write != "" {
		return writeDemoOnce(ctx, d.write)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	hangup, pipes := make(chan os.Signal, 1), make(chan os.Signal, 1)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(hangup, syscall.SIGHUP)
	}
	go func() {
		<-hangup
		stop()
	}()
	signal.Notify(pipes, syscall.SIGPIPE)
	out := &checkedOutput{failed: stop}
	err := d.show(ctx, out)
	signal.Stop(pipes)
	if out.err != nil {
		fmt.Println() // if the reader has gone, this ends the program silently, as it ends the other commands
		return out.err
	}
	return err
}

// show builds the demo in a temporary folder, which it removes in the end, and shows it.
func (d *demonstration) show(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "memlens-demo-")
	if err != nil {
		return err
	}
	defer func() {
		if !d.stays {
			os.RemoveAll(dir)
		}
	}()
	mem, err := synth.Build(synth.Demo())
	if err != nil {
		return err
	}
	image, originals, mount := filepath.Join(dir, "xp.raw"), filepath.Join(dir, "originals"), filepath.Join(dir, "mount")
	if err := errors.Join(writeDemo(mem, image, originals), os.Mkdir(mount, 0o777)); err != nil {
		return err
	}
	fmt.Fprintf(out, "memlens: built the memory of a small Windows XP system: %s\n", image)
	barsOf(ctx).silence() // the tour's commands have the terminal
	im, err := memimage.Open(ctx, image, memimage.Options{})
	if err != nil {
		return err
	}
	defer im.Close()
	d.tree = treeFlags{references: []string{originals}, width: 512, orientation: "horizontal", direction: "forward"}
	if err := fusefs.Preflight(mount, mountOptions(image, false)); err != nil {
		return d.extract(ctx, out, im, mount, image, originals, err)
	}
	return d.mount(ctx, out, im, mount, image, originals)
}

// mount mounts the tree on dir and shows it there.
func (d *demonstration) mount(ctx context.Context, out io.Writer, im *memimage.Image, dir, image, originals string) error {
	keep := d.keep || term.IsTerminal(int(os.Stdin.Fd()))
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	tree, done, err := d.tree.tree(ctx, im)
	if err != nil {
		return err
	}
	defer done()
	toured := make(chan error, 1)
	err = fusefs.Serve(ctx, dir, tree, mountOptions(image, false), func(*fusefs.Server) {
		go func() {
			err := tour(ctx, out, dir, originals)
			if err == nil && keep {
				nextMounted(out, dir, image)
			}
			toured <- err
			if !keep {
				stop()
			}
		}()
	})
	if err != nil {
		return err
	}
	stop() // the mount is gone, and a tour that has not ended with it
	if err := <-toured; err != nil {
		return err
	}
	if !keep {
		nextAnew(out)
	}
	return nil
}

// extract copies the tree to a folder, because it cannot be mounted.
func (d *demonstration) extract(ctx context.Context, out io.Writer, im *memimage.Image, dir, image, originals string, why error) error {
	fmt.Fprintf(out, "memlens: it cannot be mounted here, and is copied to %s instead: %s\n", dir, message(why))
	tree, done, err := d.tree.tree(ctx, im)
	if err != nil {
		return err
	}
	defer done()
	e := extraction{out: dir}
	if err := e.run(ctx, tree); err != nil {
		return err
	}
	if err := tour(ctx, out, dir, originals); err != nil {
		return err
	}
	d.stays = true
	nextCopied(out, dir, image)
	return nil
}

// tourCommands are the commands that the demo runs in the tree. %o stands for the folder of the originals.
var tourCommands = []string{
	"ls",
	"ls -l 3256-cmd.exe 3256-cmd.exe/diff-vs",
	"cut -d, -f2,4,5,13,14 processes.csv | column -s, -t", // no column up to the last of these has commas in its cells
	"md5sum %o/cmd.exe 3256-cmd.exe/procexedump.exe 3256-cmd.exe/restored.exe",
	"head -5 3256-cmd.exe/pages.csv",
	"ls 1724-explorer.exe/modules 1724-explorer.exe/modules/*ntdll.dll",
	"grep -h -o '<p class=\"alarm.*' 1912-svchost.exe/index.html 1724-explorer.exe/index.html | sed 's/<a .*//; s/<[^>]*>//g'",
	"cat scanned/*/NOT-RECOVERED.txt",
}

// tour runs the commands in other processes: a process that serves a mount must not use it itself. It fails if it is interrupted.
func tour(ctx context.Context, out io.Writer, dir, originals string) error {
	for _, line := range tourCommands {
		line = strings.ReplaceAll(line, "%o", originals)
		fmt.Fprintf(out, "\n$ %s\n", line)
		cmd := exec.CommandContext(ctx, "sh", "-c", line)
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stdout, os.Stdout
		err := cmd.Run()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			fmt.Fprintln(out, err)
		}
	}
	return nil
}
