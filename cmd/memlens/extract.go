package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"memlens/fs"
)

func extractCommand() *cobra.Command {
	var image imageFlags
	var tree treeFlags
	var e extraction
	cmd := &cobra.Command{
		Use:   "extract IMAGE --out FOLDER",
		Short: "Copy the tree to a folder: what mount shows, without FUSE, on any system",
		Long: `Copies the tree that mount shows, or a part of it, to an empty folder. What is missing in memory stays a hole in the copies.
On Windows, what that system does not allow in names is written as %XX.

While it is at work, and when it has been interrupted, ` + markName + ` in the folder says so, with the command to go on: the same one with
--resume. Every file that it wrote under its own name is whole, and is kept. A file whose size was changed since is made anew; one with
other bytes but the same size cannot be told from a whole one, and is kept. With --resume a folder that is empty, or not there, is begun.
A folder is refused that was begun of another image, with other options, or of files that have changed since: the image, and what
--reference, --known, --symbols, --pagefile and --memmap name, are compared by size and time. An image at a URL, or at another path
than before, is compared by its size, its name and a sample of its memory, and not by its time; other files at URLs are not compared.
A folder is also refused while another extraction is at work in it.

To a folder without ` + markName + `, which is a finished one, --resume writes nothing. It compares the names and sizes of the files that it
would copy, and what image.json says, with the files in the folder. The exit status is 0 if they are the same; the bytes of the files
are not compared, and more files in the folder do not count. Otherwise it names what is missing or differs, and the status is 1. So a
script can repeat one command until it succeeds.

` + urlHelp,
		Example: `  memlens extract xp.raw --out recovered
  memlens extract xp.raw --out recovered --pid 3256 --reference ./originals
  memlens extract xp.raw --out recovered --what drivers --name 'tcpip*'
  memlens extract xp.raw --out recovered --resume   # go on after Ctrl-C`,
		Args: arguments(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			defer e.unlock()
			if err := e.prepare(); err != nil {
				return err
			}
			im, err := image.open(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer im.Close()
			if err := e.identify(cmd, im); err != nil {
				return err
			}
			t, done, err := tree.tree(cmd.Context(), im)
			if err != nil {
				return err
			}
			defer done()
			err = e.run(cmd.Context(), t)
			reportDamage(cmd.Context(), im)
			return err
		},
	}
	image.add(cmd)
	tree.add(cmd, &image)
	cmd.Flags().StringVarP(&e.out, "out", "o", "", "the `folder` to copy to; it must be empty, or is created")
	cmd.Flags().UintSliceVar(&e.pids, "pid", nil, "copy only the processes with these `ids`, separated by commas")
	cmd.Flags().StringSliceVar(&e.what, "what", nil, "the `kinds` of files to copy, separated by commas: "+strings.Join(whatNames, ", ")+" (all but minidumps); default: executables and pictures")
	cmd.Flags().StringVar(&e.name, "name", "", "copy only processes, modules, drivers and files whose name matches this `pattern`, such as 'ntdll*', and the tables of all processes")
	cmd.Flags().BoolVar(&e.memory, "memory", false, "also copy memory.raw, which is all of physical memory")
	cmd.Flags().BoolVar(&e.resume, "resume", false, "go on with a folder in which an extraction was interrupted, or compare a finished one with the image")
	choices(cmd, "what", whatNames...)
	return cmd
}

// extraction copies a tree to a folder.
type extraction struct {
	selection
	out      string
	memory   bool
	resume   bool
	mark     *mark // the file that stays in the folder until all is copied; nil: none
	lock     *folderLock
	locked   bool // the folder was there, and is locked where its file system has locks
	made     bool // the folder was not there, and this program made it
	finished bool // with resume: the folder has files and no mark, and is only compared

	bars        *bars
	done, total int64
	present     int64             // the bytes of the total that need space: holes stay holes
	files, kept int               // the files in the folder, and how many of these files the run before has copied
	keep        map[string]bool   // the paths of the files that the run before has copied
	dirs        map[string]bool   // the paths that are directories
	taken       map[string]string // paths that have a place in the folder, by this place in lower case
	leftOut     []string
	failed      []error
}

// prepare returns an error if the flags are wrong, if --out is no folder, or if the folder is not empty. An
// extraction that was interrupted there may go on in the folder. A folder that is to be written to is locked.
func (e *extraction) prepare() error {
	if err := e.check(); err != nil {
		return err
	}
	if e.out == "" {
		return errors.New("no folder is given to copy to: give --out FOLDER")
	}
	info, err := os.Stat(e.out)
	switch {
	case errors.Is(err, iofs.ErrNotExist):
		return nil // it is made when there is something to copy
	case err == nil && !info.IsDir():
		return fmt.Errorf("--out %s is not a folder", e.out)
	case err != nil:
		return fmt.Errorf("--out: %w", err)
	}
	empty, err := isEmpty(e.out)
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	if _, err := readMark(e.out); !empty && errors.Is(err, os.ErrNotExist) {
		return e.mayGoOn() // nothing is written here
	}
	if err := e.lockOut(); err != nil {
		return err
	}
	if empty, err = isEmpty(e.out); err == nil && !empty { // another process may have ended meanwhile
		return e.mayGoOn()
	}
	return err
}

// isEmpty reports whether there is nothing in a folder but files that an extraction had not completed.
func isEmpty(folder string) (bool, error) {
	entries, err := os.ReadDir(folder)
	return !slices.ContainsFunc(entries, func(d os.DirEntry) bool { return !isTemporary(d.Name()) }), err
}

// lockOut locks the folder.
func (e *extraction) lockOut() (err error) {
	e.lock, err = lockFolder(e.out)
	e.locked = err == nil
	return err
}

// unlock lets other processes write to the folder.
func (e *extraction) unlock() {
	e.lock.release()
	e.lock = nil
}

// makeOut makes the folder, and locks it. Another process may have made it since this one began.
func (e *extraction) makeOut() error {
	if e.locked {
		return nil
	}
	if err := os.MkdirAll(e.out, 0o777); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	e.made = true
	if err := e.lockOut(); err != nil {
		return err
	}
	if empty, err := isEmpty(e.out); err != nil || !empty {
		return cmp.Or(err, fmt.Errorf("--out %s: another program has made this folder, and files in it, since this one began: give another folder", e.out))
	}
	return nil
}

// run copies the tree. A file that cannot be read is reported at the end; the other files are copied all the same.
func (e *extraction) run(ctx context.Context, tree *fs.FS) error {
	e.bars = barsOf(ctx)
	defer e.bars.finish()
	paths, err := e.choose(ctx, bound{ctx, tree})
	if err != nil {
		return e.interrupted(err)
	}
	if len(e.pids) > 0 && !slices.ContainsFunc(paths, isProcess) {
		return fmt.Errorf("no process has the id %s", strings.Trim(fmt.Sprint(e.pids), "[]"))
	}
	if e.name != "" && len(e.failed) == 0 && !slices.ContainsFunc(paths, e.wantsName) {
		return fmt.Errorf("--name %s: none of the files asked for has such a name", e.name)
	}
	if e.finished {
		return e.compareFinished(ctx, bound{ctx, tree}, paths)
	}
	if blocked := e.blocked(paths); len(blocked) > 0 {
		return errors.Join(append(e.failed, blocked...)...)
	}
	if err := e.makeOut(); err != nil {
		return err
	}
	if err := e.checkSpace(); err != nil {
		e.unlock()
		if e.made {
			os.Remove(e.out) // only if it is empty: nothing was copied
		}
		return err
	}
	if err := e.begin(); err != nil {
		return err
	}
	left, err := e.copyAll(ctx, bound{ctx, tree}, paths)
	if err := e.end(left); err != nil {
		e.failed = append(e.failed, err)
	}
	e.unlock() // before the folder gets its time
	e.stamp(tree, ".")
	if err != nil {
		return e.interrupted(err)
	}
	e.tell()
	if len(e.failed) > 0 && e.mark != nil {
		fmt.Fprintf(e.bars, "memlens: not everything was copied (%s in the folder says so); to try once more: %s\n", markName, e.mark.command)
	}
	return errors.Join(e.failed...)
}

// tell prints the number of copied files.
func (e *extraction) tell() {
	out, before := e.bars.stdout(), ""
	if e.kept > 0 {
		before = fmt.Sprintf("; %d files were there before", e.kept)
	}
	fmt.Fprintf(out, "memlens: %d files are in %s%s\n", e.files, e.out, before)
	if len(e.leftOut) > 0 {
		slices.Sort(e.leftOut)
		fmt.Fprintf(out, "memlens: left out: %s; README.txt and the pages name them all the same\n", strings.Join(e.leftOut, ", "))
	}
}

func (e *extraction) fail(name string, err error) {
	e.failed = append(e.failed, fmt.Errorf("%s: %w", name, err))
}

// choose returns the paths that are wanted, directories before their contents.
func (e *extraction) choose(ctx context.Context, tree bound) (paths []string, err error) {
	seen := map[string]bool{}
	e.keep, e.dirs = map[string]bool{}, map[string]bool{".": true}
	var add func(name string)
	add = func(name string) {
		if seen[name] {
			return
		}
		if seen[name] = true; name != "." {
			e.dirs[path.Dir(name)] = true
			add(path.Dir(name))
		}
		paths = append(paths, name)
	}
	err = iofs.WalkDir(tree, ".", func(name string, d iofs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			e.fail(name, err)
		case d.IsDir() && !e.wantsDir(name):
			e.leaveOut(name)
			return iofs.SkipDir
		case d.IsDir():
			if e.whole() {
				e.dirs[name] = true
				add(name)
			}
		case name == "memory.raw" && !e.memory:
			e.leaveOut(name)
		case name == "memory.raw" || e.wantsFile(name):
			add(name)
			info, err := tree.info(d)
			if err != nil {
				break // copying it fails, too
			}
			if e.isThere(name, info.Size()) {
				e.keep[name] = true
				break
			}
			e.measure(info)
		default:
			e.leaveOut(name)
		}
		return nil
	})
	return paths, err
}

// isProcess reports whether a path of the tree belongs to a process's directory.
func isProcess(name string) bool {
	base := path.Base(name)
	dir := path.Dir(name)
	return (dir == "." || dir == "scanned") && base[0] >= '0' && base[0] <= '9'
}

// bound is a tree in which all work ends with a context.
type bound struct {
	ctx  context.Context
	tree *fs.FS
}

// Open implements [iofs.FS].
func (b bound) Open(name string) (iofs.File, error) { return b.tree.OpenContext(b.ctx, name) }

// Stat implements [iofs.StatFS].
func (b bound) Stat(name string) (iofs.FileInfo, error) { return b.tree.StatContext(b.ctx, name) }

// ReadDir implements [iofs.ReadDirFS].
func (b bound) ReadDir(name string) ([]iofs.DirEntry, error) {
	return b.tree.ReadDirContext(b.ctx, name)
}

// info is the tree's information about an entry.
func (b bound) info(d iofs.DirEntry) (iofs.FileInfo, error) {
	if with, ok := d.(fs.ContextDirEntry); ok {
		return with.InfoContext(b.ctx)
	}
	return d.Info()
}
