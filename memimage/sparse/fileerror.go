package sparse

import (
	"errors"
	"io/fs"
	"slices"
	"syscall"
)

// answers are errors of the system that say something about a path, and not that reading failed.
var answers = []syscall.Errno{syscall.ENOTDIR, syscall.EISDIR, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.EINVAL}

// FileError translates the error of opening, looking up or listing a file. Some errors are answers, such as that
// there is no such file, or that it may not be read: they are returned as they are. All other errors of the system
// become a *[ReadError], for the content is not known then.
func FileError(err error) error {
	code, ok := errors.AsType[syscall.Errno](err)
	if !ok || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || slices.Contains(answers, code) {
		return err
	}
	return readError(err, 0)
}
