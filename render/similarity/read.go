package similarity

import (
	"errors"
	"fmt"
	"io"

	"memlens/memimage/sparse"
)

// bufferSize is how much of a file is read at a time, in bytes.
const bufferSize = 256 << 10

// zeroBlock is how many zeros at once are worth passing over.
const zeroBlock = 4096

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

// digester takes data in order: as they are, or as a run of n zeros, for which
// it comes to the same state as for as many bytes, in fewer steps.
type digester interface {
	write(p []byte)
	zeros(n int64)
}

// feed gives size bytes to a digester in order. Zeros that the reader knows of
// are not read.
func feed(d digester, r io.ReaderAt, size int64) error {
	buf := make([]byte, min(bufferSize, max(size, 0)))
	for off := int64(0); off < size; {
		if n := sparse.ZeroRun(r, off, size-off); n >= zeroBlock {
			d.zeros(n)
			off += n
			continue
		}
		p := buf[:min(bufferSize, size-off)]
		if err := readFull(r, p, off); err != nil {
			return err
		}
		feedBlocks(d, p)
		off += int64(len(p))
	}
	return nil
}

// feedBlocks gives data to a digester, blocks of zeros as such.
func feedBlocks(d digester, p []byte) {
	for len(p) > 0 {
		b := p[:min(zeroBlock, len(p))]
		if sparse.AllZero(b) {
			d.zeros(int64(len(b)))
		} else {
			d.write(b)
		}
		p = p[len(b):]
	}
}

// noughts are zeros to write.
var noughts [64]byte
