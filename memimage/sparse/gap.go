package sparse

import (
	"errors"
	"fmt"
)

// Gap is an error that knows its extent: from the first byte that could not be read, Gap bytes cannot be read.
// It is never less than one.
type Gap interface {
	error
	Gap() int64
}

// HoleError says that Len bytes from offset Off of a reader are missing. Err is the reason, if it is known. It
// implements [Gap].
type HoleError struct {
	Off, Len int64
	Err      error
}

func (e *HoleError) Error() string {
	s := fmt.Sprintf("sparse: no data at %#x for %#x bytes", e.Off, e.Len)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Gap returns the length of the hole in bytes.
func (e *HoleError) Gap() int64 { return e.Len }

// Unwrap returns the reason, or nil.
func (e *HoleError) Unwrap() error { return e.Err }

// Cause returns why the bytes of a hole are missing, without the offsets of the readers in between; nil if there is
// no reason: then the bytes were never there.
func Cause(err error) error {
	hole, ok := errors.AsType[*HoleError](err)
	if !ok {
		return nil
	}
	for hole.Err != nil {
		next, ok := errors.AsType[*HoleError](hole.Err)
		if !ok {
			return hole.Err
		}
		hole = next
	}
	return nil
}

// gapLen returns how many bytes err says cannot be read, at least 1, or 0 when err is not a [Gap].
func gapLen(err error) int64 {
	g, ok := errors.AsType[Gap](err)
	if !ok {
		return 0
	}
	return max(g.Gap(), 1)
}
