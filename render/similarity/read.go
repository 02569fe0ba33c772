package similarity

import (
	"errors"
	"fmt"
	"io"
)

// bufferSize is how much of a file is read at a time, in bytes.
const bufferSize = 256 << 10

// readFull fills p from off on. An end of the data before that is an error:
// their size was promised.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	if len(p) == 0 {
		return nil
	}
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return fmt.Errorf("similarity: data end at offset %#x, %d bytes early: %w", off+int64(n), len(p)-n, io.ErrUnexpectedEOF)
	}
	return err
}

// eachPiece reads size bytes in order.
func eachPiece(r io.ReaderAt, size int64, f func(p []byte)) error {
	buf := make([]byte, min(bufferSize, max(size, 0)))
	for off := int64(0); off < size; off += bufferSize {
		p := buf[:min(bufferSize, size-off)]
		if err := readFull(r, p, off); err != nil {
			return err
		}
		f(p)
	}
	return nil
}
