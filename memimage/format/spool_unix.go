//go:build unix

package format

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// temporaryFile makes a file in dir and removes its name at once, so that it cannot be left behind.
func temporaryFile(dir string) (*os.File, io.Closer, error) {
	f, err := os.CreateTemp(dir, spoolPattern)
	if err != nil {
		return nil, nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, f, nil
}

// freeSpace returns how many bytes of the file system of dir this user may still fill.
func freeSpace(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return st.Bavail * uint64(st.Bsize), nil
}
