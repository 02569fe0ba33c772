package known

import (
	"bufio"
	"errors"
	"io"
)

// maxLine is how many bytes a line of a set may have. Longer lines are not understood: no system has such names.
const maxLine = 64 << 10

// eachLine calls a function for each line, without its end. The line is valid until the function returns, and nil if
// it is too long.
func eachLine(r io.Reader, do func(line []byte) error) error {
	in := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := in.ReadSlice('\n')
		tooLong := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) { // the rest of the line
			_, err = in.ReadSlice('\n')
		}
		if err != nil && err != io.EOF {
			return err
		}
		text := withoutEnd(line)
		if tooLong {
			text = nil
		}
		if len(line) > 0 {
			if err := do(text); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

// withoutEnd cuts a line feed off, and one carriage return before it.
func withoutEnd(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line
}
