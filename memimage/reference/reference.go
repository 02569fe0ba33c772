// Package reference finds the files that recovered executables are compared with: single files, the files in folders
// and on Windows volumes, and files that were recovered from other memory images.
//
// Below it are memimage and volume; above it, package fs compares.
package reference

import (
	"errors"
	"io"

	"memlens/memimage/sparse"
	"memlens/memimage/volume"
)

// File is a file to compare with.
type File struct {
	Name string // in listings; unique among the files that are listed for one module
	Path string // the place of the file, in the form in which it is shown
	Match
	from source
}

// Match says why a file is compared with a module.
type Match int

const (
	Given       Match = iota // the user gave the file, or its name is one of the module's names
	SamePath                 // its path is the path of the module's own file
	ClaimedPath              // its path is the path that the process itself has; the kernel's path is not known
	SameName                 // its name is one of the module's names, its path is another
)

// String returns the match in words.
func (m Match) String() string {
	switch m {
	case SamePath:
		return "same path"
	case ClaimedPath:
		return "claimed path"
	case SameName:
		return "same name"
	}
	return ""
}

// source is where a file is read from.
type source interface {
	// state returns the present state of the file, and open opens it.
	state() (State, error)
	open() (*Content, error)
}

// State describes a file at one time.
type State struct {
	Size int64  // in bytes
	Key  string // changes when the file does, and no other file has the same
	// Derived says that the program worked the bytes out. Another version of the program may do that better, so
	// results from these bytes are not kept from run to run.
	Derived bool
}

// Content is an open file.
type Content struct {
	io.ReaderAt
	Strict sparse.Source // the same bytes, with holes where they are missing; nil: no bytes are missing
	size   int64
	close  func() error
}

// Size returns how many bytes the file has.
func (c *Content) Size() int64 { return c.size }

// Close closes the file.
func (c *Content) Close() error { return c.close() }

// Zeros implements [sparse.Zeroer].
func (c *Content) Zeros(off int64) int64 { return sparse.Zeros(c.ReaderAt, off) }

// MaxSize is how many bytes a reference may have: 1 GiB, more than the executables of any system. A larger one is not read.
const MaxSize = 1 << 30

// ErrTooLarge says that a reference is larger than [MaxSize].
var ErrTooLarge = errors.New("larger than 1 GiB")

// Damaged reports whether an error of reading a file says that the file itself is damaged, so that another read will
// not help.
func Damaged(err error) bool { return volume.Damaged(err) }

// State returns the present state of the file. The error is [ErrTooLarge], or says that the state could not be read.
func (f File) State() (State, error) {
	s, err := f.from.state()
	if err == nil && s.Size > MaxSize {
		err = ErrTooLarge
	}
	return s, err
}

// Open opens the file. It has the same errors as State.
func (f File) Open() (*Content, error) {
	c, err := f.from.open()
	if err != nil {
		return nil, err
	}
	if c.Size() > MaxSize {
		return nil, errors.Join(ErrTooLarge, c.Close())
	}
	return c, nil
}
