package figure

import (
	"fmt"
	"io"
)

// Subject is a file to be drawn and the texts beside it. Texts may hold anything: characters that cannot be shown are
// replaced, and texts that are too long are cut.
type Subject struct {
	Title    string // the largest line, such as the file's name
	Subtitle string // the line under it
	Digest   string // at the foot, in fixed width; lines end with "\n"
	Notice   string // what to notice, in a sentence; empty: no room is left for one
	Frame    string // the name of a frame of an animation, such as "memory"

	Size    int64       // of the data, in bytes
	Data    io.ReaderAt // free of holes; its errors pass through
	Marks   []Mark      // sections, in the order of their offsets
	Missing []Span      // the data that were not recovered
}

// Mark is a named piece of a file: a section.
type Mark struct {
	Off, Len int64
	Label    string
}

// MaxSize is how many bytes a file to be drawn may have: the size of the largest executable.
const MaxSize = 4 << 30

// CheckSize returns an error when a file of so many bytes cannot be drawn: the error
// of the functions that make figures.
func CheckSize(size int64) error {
	if size < 0 || size > MaxSize {
		return fmt.Errorf("figure: a file of %d bytes: from 0 to %d can be drawn", size, int64(MaxSize))
	}
	return nil
}
