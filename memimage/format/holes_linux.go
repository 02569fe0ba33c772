package format

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// Zeros implements sparse.Zeroer: the holes of the file, which read as zeros, as the file system knows them.
func (s *fileSource) Zeros(off int64) int64 {
	data, err := s.file.Seek(off, unix.SEEK_DATA)
	switch {
	case errors.Is(err, syscall.ENXIO): // nothing but a hole follows, or the file has become shorter
		if end, err := s.file.Seek(0, unix.SEEK_END); err != nil || end < s.size {
			return 0
		}
		return max(s.size-off, 0)
	case err != nil:
		return 0
	}
	return data - off
}
