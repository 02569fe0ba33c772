package reference

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"

	"memlens/memimage/sparse"
)

// hostFile is a file of this machine, by its path.
type hostFile string

// OnHost returns a file of this machine.
func OnHost(name, path string) File { return File{Name: name, Path: path, from: hostFile(path)} }

func (f hostFile) state() (State, error) {
	info, err := os.Stat(string(f))
	if err != nil {
		return State{}, sparse.FileError(err)
	}
	path := string(f)
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return State{Size: info.Size(), Key: fmt.Sprintf("%s\x00%d\x00%d", path, info.Size(), info.ModTime().UnixNano())}, nil
}

// open opens the file; a file that shrinks while it is read is damaged.
func (f hostFile) open() (*Content, error) {
	file, err := os.Open(string(f))
	if err != nil {
		return nil, sparse.FileError(err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = iofs.ErrNotExist
	}
	if err != nil {
		return nil, errors.Join(sparse.FileError(err), file.Close())
	}
	return &Content{ReaderAt: sparse.Whole(withZeros{file, info.Size()}, info.Size()), size: info.Size(), close: file.Close}, nil
}

// withZeros is an open file of some size. Its holes are zeros that need not be read.
type withZeros struct {
	*os.File
	size int64
}

// Zeros implements [sparse.Zeroer].
func (f withZeros) Zeros(off int64) int64 { return sparse.FileZeros(f.File, off, f.size) }
