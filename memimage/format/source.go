package format

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"memlens/memimage/reason"
	"memlens/memimage/sparse"
)

// OpenFile opens the memory image in the file at path, a regular file or a block device; see [Open].
func OpenFile(path string, o Options) (*Image, error) {
	src, err := openFileSource(path)
	if err != nil {
		return nil, err
	}
	im, err := Open(src, o)
	if err != nil {
		return nil, errors.Join(err, src.Close())
	}
	im.closers = append([]io.Closer{src}, im.closers...)
	return im, nil
}

// fileSource is a file of the operating system, read at its offsets, never mapped: a file that shrinks is a read
// error, not a signal. It has no holes: the holes of a sparse file read as zeros.
type fileSource struct {
	sparse.Source
	file *os.File
	size int64
}

func openFileSource(path string) (*fileSource, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("format: %w", err)
	}
	if err := checkKind(path, info.Mode()); err != nil { // before opening: a FIFO would wait for its writer
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("format: %w", err)
	}
	size, err := f.Seek(0, io.SeekEnd) // block devices have no size in Stat
	if err != nil {
		return nil, errors.Join(fmt.Errorf("format: finding the size of %s: %w", path, err), f.Close())
	}
	return &fileSource{sparse.Whole(f, size), f, size}, nil
}

// checkKind refuses everything but regular files and block devices.
func checkKind(path string, mode fs.FileMode) error {
	what := ""
	switch {
	case isFile(mode):
		return nil
	case mode.IsDir():
		what = whatFolder(path)
	case mode&fs.ModeNamedPipe != 0:
		what = "a pipe: images need random access, write it to a file first"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	default:
		what = "a character device: images need a size and random access, acquire it to a file first"
	}
	return reason.Errorf(reason.NotAFile, "format: %s is %s", path, what)
}

// Name implements [Source].
func (s *fileSource) Name() string { return filepath.Base(s.file.Name()) }

// Close closes the file.
func (s *fileSource) Close() error { return s.file.Close() }

// Beside implements [Source].
func (s *fileSource) Beside(name string) (Source, error) {
	dir := filepath.Dir(s.file.Name())
	if src, err := openFileSource(filepath.Join(dir, name)); err == nil {
		return src, nil
	}
	names, err := s.Names()
	if err != nil {
		return nil, fmt.Errorf("format: looking for %s: %w", name, err)
	}
	for _, other := range names {
		if strings.EqualFold(other, name) {
			src, err := openFileSource(filepath.Join(dir, other))
			if err != nil {
				return nil, err
			}
			return src, nil
		}
	}
	return nil, fmt.Errorf("format: %s beside %s: %w", name, s.Name(), fs.ErrNotExist)
}

// Names implements [Source].
func (s *fileSource) Names() ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(s.file.Name()))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if s.mayOpen(e) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// mayOpen reports whether a name in the folder is a file, or a link to a file: a folder or a pipe may have the name
// of a piece of an image.
func (s *fileSource) mayOpen(e fs.DirEntry) bool {
	mode := e.Type()
	if mode&fs.ModeSymlink != 0 {
		info, err := os.Stat(filepath.Join(filepath.Dir(s.file.Name()), e.Name()))
		if err != nil {
			return false
		}
		mode = info.Mode()
	}
	return isFile(mode)
}

// isFile reports whether a mode is the mode of a regular file or a block device.
func isFile(mode fs.FileMode) bool {
	return mode.IsRegular() || mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0
}
