package format

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/windows"
)

// temporaryFile makes a file in dir that is removed when it is closed: Windows does not remove an open file.
func temporaryFile(dir string) (*os.File, io.Closer, error) {
	f, err := os.CreateTemp(dir, spoolPattern)
	if err != nil {
		return nil, nil, err
	}
	return f, removing{f}, nil
}

type removing struct{ *os.File }

// Close closes the file and removes it.
func (r removing) Close() error {
	return errors.Join(r.File.Close(), os.Remove(r.Name()))
}

// freeSpace returns how many bytes of the volume of dir this user may still fill.
func freeSpace(dir string) (uint64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	err = windows.GetDiskFreeSpaceEx(name, &free, nil, nil)
	return free, err
}
