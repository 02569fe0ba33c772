package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

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
	cmd.Flags().StringVar(&d.write, "write", "", "write the image to this `file`, the originals to FILE.originals, and do nothing else")
	cmd.Flags().BoolVar(&d.keep, "keep", false, "stay mounted until interrupted, even when this is no terminal")
	return cmd
}

// demonstration is one run of the demo.
type demonstration struct {
	write string
	keep  bool
	tree  treeFlags
}

func (d *demonstration) run(ctx context.Context) error {
	if d.write != "" {
		return writeDemo(d.write, d.write+".originals")
	}
	dir, err := os.MkdirTemp("", "memlens-demo-")
	if err != nil {
		return err
	}
	image, originals, mount := filepath.Join(dir, "xp.raw"), filepath.Join(dir, "originals"), filepath.Join(dir, "mount")
	if err := errors.Join(writeDemo(image, originals), os.Mkdir(mount, 0o777)); err != nil {
		return err
	}
	fmt.Printf("memlens: built the memory of a small Windows XP system: %s\n", image)
	barsOf(ctx).silence() // the tour's commands have the terminal
	im, err := memimage.Open(ctx, image, memimage.Options{})
	if err != nil {
		return err
	}
	defer im.Close()
	d.tree = treeFlags{references: []string{originals}, width: 512, orientation: "horizontal", direction: "forward"}
	o := mountOptions(image, false)
	if err := fusefs.Preflight(mount, o); err != nil {
		return d.extract(ctx, im, mount, image, originals, err)
	}
	defer os.RemoveAll(dir)
	keep, whole := d.keep || term.IsTerminal(int(os.Stdin.Fd())), ctx
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	toured := make(chan struct{})
	tree, done, err := d.tree.tree(ctx, im)
	if err != nil {
		return err
	}
	defer done()
	err = fusefs.Serve(ctx, mount, tree, o, func(*fusefs.Server) {
		go func() {
			defer close(toured)
			tour(ctx, mount, originals)
			if !keep {
				stop()
				return
			}
			nextMounted(os.Stdout, mount, image)
		}()
	})
	if err != nil {
		return err
	}
	<-toured
	if !keep && whole.Err() == nil { // otherwise it was interrupted
		nextAnew(os.Stdout)
	}
	return nil
}

// extract copies the tree to a folder, because it cannot be mounted.
func (d *demonstration) extract(ctx context.Context, im *memimage.Image, dir, image, originals string, why error) error {
	fmt.Printf("memlens: it cannot be mounted here, and is copied to %s instead: %s\n", dir, message(why))
	tree, done, err := d.tree.tree(ctx, im)
	if err != nil {
		return err
	}
	defer done()
	e := extraction{out: dir}
	if err := e.run(ctx, tree); err != nil {
		return err
	}
	tour(ctx, dir, originals)
	nextCopied(os.Stdout, dir, image)
	return nil
}

// writeDemo writes the demo's image and the files that were on its disk.
func writeDemo(image, originals string) error {
	mem, err := synth.Build(synth.Demo())
	if err != nil {
		return err
	}
	if err := mem.WriteFile(image); err != nil {
		return err
	}
	if err := os.MkdirAll(originals, 0o777); err != nil {
		return err
	}
	for name, data := range synth.DemoOriginals() {
		if err := os.WriteFile(filepath.Join(originals, name), data, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// tourCommands are the commands that the demo runs in the tree. %o stands for the folder of the originals.
var tourCommands = []string{
	"ls",
	"ls -l 3256-cmd.exe 3256-cmd.exe/diff-vs",
	"cut -d, -f2,4,5,13-20 processes.csv | column -s, -t",
	"md5sum %o/cmd.exe 3256-cmd.exe/procexedump.exe 3256-cmd.exe/restored.exe",
	"head -5 3256-cmd.exe/pages.csv",
	"ls 1724-explorer.exe/modules 1724-explorer.exe/modules/*ntdll.dll",
	"grep -h -o '<p class=\"alarm.*' 1912-svchost.exe/index.html 1724-explorer.exe/index.html | sed 's/<a .*//; s/<[^>]*>//g'",
	"cat scanned/*/NOT-RECOVERED.txt",
}

// tour runs the commands in other processes: a process that serves a mount must not use it itself.
func tour(ctx context.Context, dir, originals string) {
	for _, line := range tourCommands {
		line = strings.ReplaceAll(line, "%o", originals)
		fmt.Printf("\n$ %s\n", line)
		cmd := exec.CommandContext(ctx, "sh", "-c", line)
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stdout, os.Stdout
		if err := cmd.Run(); err != nil && ctx.Err() == nil {
			fmt.Println(err)
		}
	}
}
