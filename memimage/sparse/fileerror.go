package sparse

import (
	"errors"
	"io/fs"
	"slices"
	"syscall"
)

// answers are what the system says of a path that can be read as far as it goes.
var answers = []syscall.Errno{syscall.ENOTDIR, syscall.EISDIR, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.EINVAL}

// FileError returns what the system said when a file was to be opened, looked up or listed. That there is none, and that it may
// not be read, are answers; all else is a *[ReadError], for what is there is not known.
func FileError(err error) error {
	code, ok := errors.AsType[syscall.Errno](err)
	if !ok || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || slices.Contains(answers, code) {
		return err
	}
	return readError(err, 0)
}
