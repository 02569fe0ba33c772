package sparse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Source is a range of bytes that knows which of its bytes are missing. All evidence is read through it.
//
// ReadAt is strict. It stops at the first missing byte with an error that is a [Gap], and at the end with [io.EOF].
// Probe gives the same answer without the bytes: the n bytes from off on (at least 1) are in the same state. They can
// be read when err is nil, and are missing when err is a [Gap], which has the reason. At the end and behind it Probe
// returns 0 and [io.EOF].
//
// Only bytes that are known to be missing are a hole: a range that was not acquired, or a block that has a wrong
// checksum or cannot be unpacked. A failed read says nothing about the bytes: it is a *[ReadError] from both methods.
// It is never taken for a hole or for zeros, and it is not assumed to fail again at the next attempt.
//
// A Source is safe for concurrent use.
type Source interface {
	io.ReaderAt
	// Size returns the length in bytes, holes included.
	Size() int64
	// Probe returns how many bytes from off on are in the same state, and whether they can be read.
	Probe(off int64) (n int64, err error)
}

// ReadError says that bytes from Off on could not be read for a reason that lies below the evidence: a fault of the
// disk or the network, or a file that has become shorter. The bytes there are not known.
type ReadError struct {
	Off int64 // in the file that was read
	Err error
}

func (e *ReadError) Error() string {
	return fmt.Sprintf("reading at offset %#x failed: %v", e.Off, e.Err)
}

// Unwrap returns the error of the system.
func (e *ReadError) Unwrap() error { return e.Err }

// Failed reports whether err is, or wraps, a *[ReadError].
func Failed(err error) bool {
	_, failed := errors.AsType[*ReadError](err)
	return failed
}

// OnlyFailed returns err if it is, or wraps, a *[ReadError], and nil for all other errors, such as a hole.
func OnlyFailed(err error) error {
	if Failed(err) {
		return err
	}
	return nil
}

// IsHole reports whether err says that bytes are known to be missing: that it is a [Gap].
func IsHole(err error) bool { return gapLen(err) > 0 }

// Whole returns the first size bytes of r as a Source without holes. Only here is a reader declared to have no holes.
// Every error of r within these bytes becomes a *[ReadError].
func Whole(r io.ReaderAt, size int64) Source { return &whole{r, max(size, 0)} }

// Bytes returns b as a Source without holes.
func Bytes(b []byte) Source { return Whole(bytes.NewReader(b), int64(len(b))) }

type whole struct {
	r    io.ReaderAt
	size int64
}

func (w *whole) Size() int64 { return w.size }

// Probe implements [Source].
func (w *whole) Probe(off int64) (int64, error) {
	if err := checkOffset(off); err != nil {
		return 0, err
	}
	if off >= w.size {
		return 0, io.EOF
	}
	return w.size - off, nil
}

// ReadAt implements [Source].
func (w *whole) ReadAt(p []byte, off int64) (int, error) {
	p, end, err := clip(p, off, w.size)
	if err != nil {
		return 0, err
	}
	n, err := w.r.ReadAt(p, off)
	if n == len(p) {
		return n, end
	}
	return n, readError(err, off+int64(n))
}

// Zeros implements [Zeroer] as far as the reader does.
func (w *whole) Zeros(off int64) int64 { return min(Zeros(w.r, off), max(w.size-off, 0)) }

// readError makes a *[ReadError] of the error of a reader without holes at off, within its size.
func readError(err error, off int64) error {
	if Failed(err) {
		return err
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return &ReadError{Off: off, Err: err}
}

// clip cuts p, the buffer of a read at off of a range of size bytes, at the end of the range. end is the error that a
// read of the whole of cut must return: nil, or [io.EOF] if p was cut.
func clip(p []byte, off, size int64) (cut []byte, end, err error) {
	if err := checkOffset(off); err != nil {
		return nil, nil, err
	}
	if off >= size {
		if len(p) == 0 {
			return p, nil, nil
		}
		return nil, nil, io.EOF
	}
	if rest := size - off; int64(len(p)) > rest {
		return p[:rest], io.EOF, nil
	}
	return p, nil, nil
}

func checkOffset(off int64) error {
	if off < 0 {
		return fmt.Errorf("sparse: negative offset %d", off)
	}
	return nil
}

// Section returns the n bytes of s from off on, fewer if s ends earlier.
func Section(s Source, off, n int64) Source {
	off = min(max(off, 0), s.Size())
	return &section{s, off, min(max(n, 0), s.Size()-off)}
}

type section struct {
	src       Source
	off, size int64
}

func (s *section) Size() int64 { return s.size }

// ReadAt implements [Source].
func (s *section) ReadAt(p []byte, off int64) (int, error) {
	p, end, err := clip(p, off, s.size)
	if err != nil {
		return 0, err
	}
	n, err := s.src.ReadAt(p, s.off+off)
	if n == len(p) {
		return n, end
	}
	return n, moved(err, off+int64(n), s.size)
}

// Probe implements [Source].
func (s *section) Probe(off int64) (int64, error) {
	if err := checkOffset(off); err != nil {
		return 0, err
	}
	if off >= s.size {
		return 0, io.EOF
	}
	n, err := probe(s.src, s.off+off, s.off+s.size)
	if IsHole(err) {
		err = moved(err, off, s.size)
	}
	return n, err
}

// Zeros implements [Zeroer].
func (s *section) Zeros(off int64) int64 { return min(Zeros(s.src, s.off+off), max(s.size-off, 0)) }

// moved translates a gap that the reader below met to offset off of a range of size bytes; other errors stay as they
// are.
func moved(err error, off, size int64) error {
	if gap := gapLen(err); gap > 0 {
		return &HoleError{Off: off, Len: min(gap, size-off), Err: reason(err)}
	}
	return err
}
