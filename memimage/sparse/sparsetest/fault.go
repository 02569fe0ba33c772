package sparsetest

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"syscall"

	"memlens/memimage/sparse"
)

// Disk is a file on a disk that has bad places: while the disk is broken, reading any byte of a bad place is EIO.
type Disk struct {
	io.ReaderAt
	Bad    []sparse.Run // Off and Len of the bad places
	broken atomic.Bool
	failed atomic.Int64
}

// Break makes the bad places fail, or makes them readable again.
func (d *Disk) Break(broken bool) { d.broken.Store(broken) }

// Broken reports whether the bad places fail.
func (d *Disk) Broken() bool { return d.broken.Load() }

// Failed returns how many reads have failed.
func (d *Disk) Failed() int64 { return d.failed.Load() }

// ReadAt implements [io.ReaderAt]: the bytes before a bad place are read.
func (d *Disk) ReadAt(p []byte, off int64) (int, error) {
	if d.broken.Load() {
		for _, bad := range d.Bad {
			if off < bad.End() && off+int64(len(p)) > bad.Off {
				d.failed.Add(1)
				n, _ := d.ReaderAt.ReadAt(p[:max(bad.Off-off, 0)], off)
				return n, syscall.EIO
			}
		}
	}
	return d.ReaderAt.ReadAt(p, off)
}

// CheckFaults checks a source over a broken disk: each piece of it reads as it did on the sound disk, holes included,
// or fails with a *[sparse.ReadError]; and when the disk works again, all pieces are as they were. s must have been
// made while the disk was sound, and must not have been read yet. forget is called when the disk works again, so that
// places that could not be read are forgotten; it may be nil. CheckFaults returns how many pieces could not be read
// while the disk was broken.
func CheckFaults(s sparse.Source, disk *Disk, forget func()) (failed int, err error) {
	var errs []error
	wrong := func(format string, args ...any) {
		if len(errs) < 20 {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	disk.Break(true)
	broken := read(s)
	disk.Break(false)
	if forget != nil {
		forget()
	}
	sound := read(s)
	for i, was := range sound {
		off, is := int64(i)*Unit, broken[i]
		if is.failed {
			failed++
			continue
		}
		if is.sum != was.sum || is.hole != was.hole {
			wrong("at %#x of a broken disk: %v; of the sound one: %v", off, is, was)
		}
		if was.failed {
			wrong("at %#x of a disk that has healed: %v", off, was)
		}
	}
	return failed, errors.Join(errs...)
}

// piece is the result of reading Unit bytes.
type piece struct {
	sum    string // the bytes
	hole   bool   // it ended at a hole
	failed bool   // reading or probing failed
}

func (p piece) String() string {
	return fmt.Sprintf("%d bytes, hole %v, failed %v", len(p.sum), p.hole, p.failed)
}

// read reads all of s in pieces.
func read(s sparse.Source) []piece {
	var out []piece
	b := make([]byte, Unit)
	for off := int64(0); off < s.Size(); off += Unit {
		n, err := s.ReadAt(b[:min(Unit, s.Size()-off)], off)
		_, perr := s.Probe(off)
		out = append(out, piece{string(b[:n]), sparse.IsHole(err), sparse.Failed(err) || sparse.Failed(perr)})
	}
	return out
}
