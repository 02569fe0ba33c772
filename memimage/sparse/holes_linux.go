package sparse

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// FileZeros returns how many bytes of the first size bytes of a file lie in a hole from off on, by the file system; 0
// if it knows no hole there. It moves the position of the file.
func FileZeros(f *os.File, off, size int64) int64 {
	data, err := f.Seek(off, unix.SEEK_DATA)
	switch {
	case errors.Is(err, syscall.ENXIO): // only a hole follows, or the file has become shorter
		if end, err := f.Seek(0, unix.SEEK_END); err != nil || end < size {
			return 0
		}
		return max(size-off, 0)
	case err != nil:
		return 0
	}
	return min(data, size) - off
}
