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

	"memlens/fs"
)

// temporaryPrefix begins the names of files in the folder that are not complete yet. No name in the root of the tree begins with it.
const temporaryPrefix = ".memlens-partial-"

func isTemporary(name string) bool { return strings.HasPrefix(name, temporaryPrefix) }

// temporary is the name of a file while it is being written. A file with its final name is complete, however the program ends.
func (e *extraction) temporary() string {
	return filepath.Join(e.out, fmt.Sprint(temporaryPrefix, os.Getpid()))
}

// isThere reports whether the run before, which this run continues, has copied a file of this size.
func (e *extraction) isThere(name string, size int64) bool {
	if !e.resume {
		return false
	}
	info, err := os.Lstat(e.at(name))
	return err == nil && info.Mode().IsRegular() && info.Size() == size
}

// blocked returns an error for each place in the folder where something else is in the way of a file or a directory.
// Nothing is written through symbolic links.
func (e *extraction) blocked(paths []string) (errs []error) {
	if !e.resume {
		return nil // the folder is empty
	}
	below := map[string]bool{}
	for _, name := range paths { // directories before their contents
		if name == "." {
			continue
		}
		if below[path.Dir(name)] {
			below[name] = true
			continue
		}
		info, err := os.Lstat(e.at(name))
		switch {
		case errors.Is(err, iofs.ErrNotExist):
			continue
		case err != nil:
			err = fmt.Errorf("--resume: %w", err)
		case e.dirs[name] && info.Mode()&iofs.ModeSymlink != 0:
			err = fmt.Errorf("--resume: %s is a symbolic link in the place of a folder, and nothing is written through it: remove it", e.at(name))
		case e.dirs[name] && !info.IsDir():
			err = fmt.Errorf("--resume: %s is a file in the place of a folder: remove it", e.at(name))
		case !e.dirs[name] && info.IsDir():
			err = fmt.Errorf("--resume: %s is a folder in the place of a file: remove it", e.at(name))
		}
		if err != nil {
			below[name] = true
			errs = append(errs, err)
		}
	}
	return errs
}

// copyAll copies the files and directories with these paths. It returns the paths that are not copied: their copies
// failed, or ctx ended before.
func (e *extraction) copyAll(ctx context.Context, tree bound, paths []string) (left []string, err error) {
	for i, name := range paths {
		err := e.copy(ctx, tree, name)
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return append(left, paths[i:]...), ctx.Err()
		}
		left = append(left, name)
		e.fail(name, err)
		if errors.Is(err, syscall.ENOSPC) {
			left = append(left, paths[i+1:]...) // they would not fit either
			break
		}
	}
	for _, name := range slices.Backward(paths) { // a directory's contents before the directory
		if name != "." {
			e.stampDir(tree.tree, name)
		}
	}
	return left, nil
}

// copy copies a directory, or a file with its holes.
func (e *extraction) copy(ctx context.Context, tree bound, name string) error {
	if err := e.take(name); err != nil {
		return err
	}
	if e.keep[name] {
		e.files++
		e.kept++
		return nil
	}
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
		return os.MkdirAll(e.at(name), 0o777)
	}
	if err := e.copyFile(ctx, f, info, e.temporary()); err != nil {
		return errors.Join(err, removeIfThere(e.temporary()))
	}
	if err := os.Rename(e.temporary(), e.at(name)); err != nil {
		return errors.Join(err, removeIfThere(e.temporary()))
	}
	e.files++
	return nil
}

// copyFile writes a file of the tree to a new file.
func (e *extraction) copyFile(ctx context.Context, f iofs.File, info iofs.FileInfo, to string) error {
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	if err := e.copyData(ctx, out, f.(source), info.Size()); err != nil {
		return errors.Join(err, out.Close())
	}
	if err := out.Close(); err != nil {
		return err
	}
	os.Chtimes(to, info.ModTime(), info.ModTime())
	return nil
}

func removeIfThere(name string) error {
	if err := os.Remove(name); !errors.Is(err, iofs.ErrNotExist) {
		return err
	}
	return nil
}

// source has the methods of the tree's files.
type source interface {
	io.ReaderAt
	fs.Holer
}

func (e *extraction) copyData(ctx context.Context, out *os.File, in source, size int64) error {
	allowHoles(out, size)
	if err := out.Truncate(size); err != nil {
		return err
	}
	buf := make([]byte, 1<<20)
	for off := int64(0); off < size; {
		data, err := in.NextData(off)
		if err == io.EOF { // the rest is a hole
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
			n, err := readAt(ctx, in, buf[:min(int64(len(buf)), hole-off)], off)
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

// readAt reads until ctx ends, if the file supports that.
func readAt(ctx context.Context, in io.ReaderAt, p []byte, off int64) (int, error) {
	if with, ok := in.(fs.ContextReaderAt); ok {
		return with.ReadAtContext(ctx, p, off)
	}
	return in.ReadAt(p, off)
}

func (e *extraction) advance(n int64) {
	e.done += n
	e.bars.progress("copying", e.done, max(e.total, e.done))
}

// stampDir sets a directory's time, after all its contents are copied.
func (e *extraction) stampDir(tree *fs.FS, name string) {
	if info, err := os.Lstat(e.at(name)); err == nil && info.IsDir() {
		e.stamp(tree, name)
	}
}

// stamp sets the time of a copied file.
func (e *extraction) stamp(tree *fs.FS, name string) {
	if info, err := tree.Stat(name); err == nil {
		os.Chtimes(e.at(name), info.ModTime(), info.ModTime())
	}
}
