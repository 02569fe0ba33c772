package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

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
		Example: `  memlens extract xp.raw --out recovered
  memlens extract xp.raw --out recovered --pid 3256 --reference ./originals
  memlens extract xp.raw --out recovered --what drivers --name 'tcpip*'`,
		Args: arguments(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := e.prepare(); err != nil {
				return err
			}
			im, err := image.open(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer im.Close()
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
	cmd.Flags().StringVarP(&e.out, "out", "o", "", "the `folder` to copy to; it must be empty, or is made")
	cmd.Flags().UintSliceVar(&e.pids, "pid", nil, "only processes with this `id`; may be given more than once")
	cmd.Flags().StringSliceVar(&e.what, "what", nil, "`what` to copy: "+strings.Join(whatNames, ", ")+" (which is without minidumps); may be given more than once (default: executables and pictures)")
	cmd.Flags().StringVar(&e.name, "name", "", "only processes, modules, drivers or files that are called by this `pattern`, such as 'ntdll*'; and the tables of all processes")
	cmd.Flags().BoolVar(&e.memory, "memory", false, "copy memory.raw, too: all of physical memory")
	cmd.MarkFlagRequired("out")
	folders(cmd, "out")
	choices(cmd, "what", whatNames...)
	return cmd
}

// extraction copies a tree to a folder.
type extraction struct {
	selection
	out    string
	memory bool

	bars        *bars
	done, total int64
	present     int64 // of the total, what is there: holes stay holes
	files       int
	leftOut     []string
	failed      []error
}

// prepare refuses what cannot be asked for, what is no folder, and one with something in it.
func (e *extraction) prepare() error {
	if err := e.check(); err != nil {
		return err
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
	entries, err := os.ReadDir(e.out)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("--out %s is not empty: give a folder that is, or one that does not exist", e.out)
	}
	return err
}

// run copies the tree. A file that cannot be read is reported at the end and does not keep the others.
func (e *extraction) run(ctx context.Context, tree *fs.FS) error {
	e.bars = barsOf(ctx)
	defer e.bars.finish()
	paths, err := e.choose(ctx, tree)
	if err != nil {
		return err
	}
	if len(e.pids) > 0 && !slices.ContainsFunc(paths, isProcess) {
		return fmt.Errorf("no process has the id %s", strings.Trim(fmt.Sprint(e.pids), "[]"))
	}
	if e.name != "" && len(e.failed) == 0 && !slices.ContainsFunc(paths, e.wantsName) {
		return fmt.Errorf("--name %s: nothing of what is asked for is called so", e.name)
	}
	if err := os.MkdirAll(e.out, 0o777); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	if err := e.checkSpace(); err != nil {
		return err
	}
	for _, name := range paths {
		if err := e.copy(ctx, tree, name); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			e.fail(name, err)
			if errors.Is(err, syscall.ENOSPC) {
				break // what follows would not fit either
			}
		}
	}
	e.stamp(tree, paths)
	out := e.bars.stdout()
	fmt.Fprintf(out, "memlens: %d files are in %s\n", e.files, e.out)
	if len(e.leftOut) > 0 {
		fmt.Fprintf(out, "memlens: left out: %s\n", strings.Join(e.leftOut, ", "))
	}
	return errors.Join(e.failed...)
}

func (e *extraction) fail(name string, err error) {
	e.failed = append(e.failed, fmt.Errorf("%s: %w", name, err))
}

// choose returns the paths of what is wanted, directories before what is in them.
func (e *extraction) choose(ctx context.Context, tree *fs.FS) (paths []string, err error) {
	seen := map[string]bool{}
	var add func(name string)
	add = func(name string) {
		if seen[name] {
			return
		}
		if seen[name] = true; name != "." {
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
			return iofs.SkipDir
		case d.IsDir():
			if e.whole() {
				add(name)
			}
		case name == "memory.raw" && !e.memory:
			e.leaveOut(name)
		case name == "memory.raw" || e.wantsFile(name):
			add(name)
			if info, err := d.Info(); err == nil {
				e.measure(info)
			}
		case path.Base(name) == fs.MinidumpName && (len(e.what) == 0 || e.has()):
			e.leaveOut(fs.MinidumpName)
		}
		return nil
	})
	return paths, err
}

// isProcess says whether a path of the tree is that of a process's directory.
func isProcess(name string) bool {
	base := path.Base(name)
	dir := path.Dir(name)
	return (dir == "." || dir == "scanned") && base[0] >= '0' && base[0] <= '9'
}

// copy copies a directory, or a file with its holes.
func (e *extraction) copy(ctx context.Context, tree *fs.FS, name string) error {
	to := filepath.Join(e.out, filepath.FromSlash(name))
	f, err := tree.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return os.MkdirAll(to, 0o777)
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	if err := e.copyData(ctx, out, f.(source), info.Size()); err != nil {
		return errors.Join(err, out.Close(), os.Remove(to)) // what was not copied of it would be zeros
	}
	e.files++
	return out.Close()
}

// source is what the files of the tree can do.
type source interface {
	io.ReaderAt
	fs.Holer
}

func (e *extraction) copyData(ctx context.Context, out *os.File, in source, size int64) error {
	if err := out.Truncate(size); err != nil {
		return err
	}
	buf := make([]byte, 1<<20)
	for off := int64(0); off < size; {
		data, err := in.NextData(off)
		if err == io.EOF { // only a hole follows
			e.advance(size - off)
			return nil
		}
		if err != nil {
			return err
		}
		hole, err := in.NextHole(data)
		if err != nil {
			return err
		}
		e.advance(data - off)
		for off = data; off < hole; {
			if err := ctx.Err(); err != nil {
				return err
			}
			n, err := in.ReadAt(buf[:min(int64(len(buf)), hole-off)], off)
			if n == 0 && err != nil {
				return err
			}
			if err := writeSparse(out, buf[:n], off); err != nil {
				return err
			}
			off += int64(n)
			e.advance(int64(n))
		}
	}
	return nil
}

func (e *extraction) advance(n int64) {
	e.done += n
	e.bars.progress("copying", e.done, max(e.total, e.done))
}

// stamp gives everything that was copied its time, what is in a directory before the directory itself.
func (e *extraction) stamp(tree *fs.FS, paths []string) {
	for _, name := range slices.Backward(paths) {
		if info, err := tree.Stat(name); err == nil {
			os.Chtimes(filepath.Join(e.out, filepath.FromSlash(name)), info.ModTime(), info.ModTime())
		}
	}
}
