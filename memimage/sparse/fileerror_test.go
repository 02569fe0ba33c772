package sparse

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"
)

func TestFileError(t *testing.T) {
	for _, tt := range []struct {
		err    error
		failed bool
	}{
		{nil, false},
		{&fs.PathError{Op: "open", Path: "a", Err: syscall.ENOENT}, false},
		{&fs.PathError{Op: "open", Path: "a", Err: syscall.EACCES}, false},
		{&fs.PathError{Op: "open", Path: "a", Err: syscall.ENOTDIR}, false},
		{&fs.PathError{Op: "open", Path: "a", Err: syscall.ENAMETOOLONG}, false},
		{errors.New("path escapes from parent"), false},
		{&fs.PathError{Op: "open", Path: "a", Err: syscall.EIO}, true},
		{&fs.PathError{Op: "stat", Path: "a", Err: syscall.ESTALE}, true},
		{&fs.PathError{Op: "open", Path: "a", Err: syscall.EMFILE}, true},
	} {
		got := FileError(tt.err)
		if Failed(got) != tt.failed || !errors.Is(got, tt.err) {
			t.Errorf("%v becomes %v", tt.err, got)
		}
	}
}
