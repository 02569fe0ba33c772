package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"memlens/fs/fusefs"
	"memlens/memimage"
	"memlens/memimage/remote"
)

func mountCommand() *cobra.Command {
	var image imageFlags
	var tree treeFlags
	var allowOther, background bool
	var d daemon
	cmd := &cobra.Command{
		Use:   "mount IMAGE FOLDER [-- COMMAND...]",
		Short: "Mount an image on a folder, read-only, until interrupted",
		Long: `Mounts an image on an empty folder and serves it until it is unmounted: by Ctrl-C, SIGTERM, "fusermount3 -u FOLDER" or
"umount FOLDER". A second signal lets go of a mount that is still in use.

A command after -- is run while the image is mounted, with the folder in the variable MEMLENS_MOUNT. When the command ends, the
image is unmounted, and the exit status is that of the command. Ctrl-C and SIGTERM end the command first.

With --daemon the program returns when the image is mounted, and serves it in the background until "umount FOLDER". Later messages
go to the file of --log, or else to a temporary file, whose name is printed; it is removed at the end of the mount if there were none.

mount(8) and fstab mount an image, too, by the type fuse.memlens: options are the flags, as in reference=FOLDER.

The image is searched from its start for the kernel, which is quick where the kernel is near the start; an image without Windows
is read twice. A terminal shows how far the search is; Ctrl-C ends it.

` + urlHelp,
		Example: `  memlens mount xp.raw /mnt/xp --reference ./originals
  memlens mount host.vmem /mnt/host --allow-other --scan
  memlens mount xp.raw /mnt/xp -- sh -c 'md5sum "$MEMLENS_MOUNT"/*/procexedump.exe'
  memlens mount xp.raw /mnt/xp --daemon --log xp.log --pid-file xp.pid
  mount -t fuse.memlens xp.raw /mnt/xp -o reference=./originals,allow_other
  memlens mount s3://case7/host.raw /mnt/host --cache ~/.cache/memlens/blocks`,
		Args:              mountArguments,
		ValidArgsFunction: inOrder(aFile, aFolder),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			var run *commandLine
			if at := cmd.ArgsLenAtDash(); at >= 0 {
				run = &commandLine{args: args[at:]}
			}
			o := mountOptions(args[0], allowOther)
			if err := fusefs.Preflight(args[1], o); err != nil {
				return err
			}
			if !background && (d.log != "" || d.pidFile != "") {
				return errors.New("--log and --pid-file are of the program in the background: give --daemon, too")
			}
			if background && !inBackground() {
				if run != nil {
					return errors.New("--daemon returns when the image is mounted: run the command then, and not behind --")
				}
				d.stdin = args[0] == stdinArg
				return d.run(cmd.Context(), os.Args[1:], os.Stdout)
			}
			log := ownLog()
			defer func() { log.end(err) }()
			defer d.removePID()
			im, err := image.open(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer im.Close()
			defer logTraffic(im, "the mount ends")
			return serveMount(cmd.Context(), im, &tree, args[1], o, run, log.mounted)
		},
	}
	image.add(cmd)
	tree.add(cmd, &image)
	cmd.Flags().BoolVar(&allowOther, "allow-other", false, "let other users read the mount")
	cmd.Flags().BoolVar(&background, "daemon", false, "return when the image is mounted, and serve it in the background")
	cmd.Flags().StringVar(&d.log, "log", "", "with --daemon, the `file` to which later messages are added (default: a temporary file, which is removed at the end if there were none)")
	cmd.Flags().StringVar(&d.pidFile, "pid-file", "", "with --daemon, a `file` to write the process id to, which is removed at the end")
	return cmd
}

func mountOptions(path string, allowOther bool) fusefs.Options {
	if path == stdinArg || remote.IsURL(path) {
		path = imageName(path)
	} else if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return fusefs.Options{FsName: path, AllowOther: allowOther, UID: uint32(max(os.Getuid(), 0)), GID: uint32(max(os.Getgid(), 0)), Logger: slog.Default()}
}

// reportDamage prints which damage of the image's container was found up to now.
func reportDamage(ctx context.Context, im *memimage.Image) {
	for _, s := range slices.Concat(im.Container.Doubts, im.Container.Damage()) {
		fmt.Fprintln(barsOf(ctx), "memlens: the image is damaged:", plain(s))
	}
}

// reportListDamage prints the damage of the list of processes.
func reportListDamage(ctx context.Context, damage []error) {
	for _, err := range damage {
		fmt.Fprintln(barsOf(ctx), "memlens: the process list is damaged:", message(err))
	}
}

// processes is the number of processes, in words.
func processes(n int) string {
	if n == 1 {
		return "1 process"
	}
	return fmt.Sprintf("%d processes", n)
}

// serveMount mounts the tree of an image and returns when it is unmounted. It calls mounted before it says that the image is mounted.
// If a command is run, the tree is unmounted when it has ended.
func serveMount(ctx context.Context, im *memimage.Image, flags *treeFlags, dir string, o fusefs.Options, run *commandLine, mounted func()) error {
	tree, done, err := flags.tree(ctx, im)
	if err != nil {
		return err
	}
	defer done()
	listed, damage := im.Processes()
	reportListDamage(ctx, damage)
	for _, note := range slices.Concat(im.Container.Notes, im.Assumed()) {
		fmt.Fprintln(barsOf(ctx), "memlens: note:", plain(note))
	}
	reportDamage(ctx, im)
	serving, unmount := context.WithCancel(ctx)
	defer unmount()
	err = fusefs.Serve(serving, dir, tree, o, func(s *fusefs.Server) {
		if run != nil {
			barsOf(ctx).silence() // the command has the terminal
			run.start(ctx, s.Dir(), unmount)
			return
		}
		mounted()
		fmt.Fprintf(barsOf(ctx).stdout(), "memlens: %s is mounted on %s: %s, %s; Ctrl-C unmounts\n", im.Name(), s.Dir(), describe(im), processes(len(listed)))
		notifyReady()
	})
	if run == nil || run.done == nil {
		return err
	}
	return errors.Join(err, run.status())
}
