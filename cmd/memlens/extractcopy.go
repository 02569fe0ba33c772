package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"memlens/fs"
)

// temporaryPrefix begins the names of files in the folder that are not whole yet. Nothing in the root of the tree is called so.
const temporaryPrefix = ".memlens-partial-"

func isTemporary(name string) bool { return strings.HasPrefix(name, temporaryPrefix) }

// temporary is where a file is written before it gets its name: what has its name is whole, however the program ends.
func (e *extraction) temporary() string {
	return filepath.Join(e.out, fmt.Sprint(temporaryPrefix, os.Getpid()))
}

// at is where a path of the tree is copied to.
func (e *extraction) at(name string) string { return filepath.Join(e.out, filepath.FromSlash(name)) }

// isKept reports whether a file was copied by a run before, with which this one goes on.
func (e *extraction) isKept(name string) bool {
	if !e.resume {
		return false
	}
	info, err := os.Lstat(e.at(name))
	return err == nil && info.Mode().IsRegular()
}

// copyAll copies what has these paths, and returns what it could not copy, or was kept from copying by err.
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
			left = append(left, paths[i+1:]...) // it would not fit either
			break
		}
	}
	for _, name := range slices.Backward(paths) { // what is in a directory before the directory
		if name != "." {
			e.stampDir(tree.tree, name)
		}
	}
	return left, nil
}

// copy copies a directory, or a file with its holes.
func (e *extraction) copy(ctx context.Context, tree bound, name string) error {
	if e.isKept(name) {
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

// readAt reads until ctx ends, where the file can.
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

// stampDir gives a directory its time, after all that is in it was copied.
func (e *extraction) stampDir(tree *fs.FS, name string) {
	if info, err := os.Lstat(e.at(name)); err == nil && info.IsDir() {
		e.stamp(tree, name)
	}
}

// stamp gives what was copied its time.
func (e *extraction) stamp(tree *fs.FS, name string) {
	if info, err := tree.Stat(name); err == nil {
		os.Chtimes(e.at(name), info.ModTime(), info.ModTime())
	}
}
