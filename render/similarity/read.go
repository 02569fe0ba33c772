package similarity

import (
	"errors"
	"fmt"
	"io"

	"memlens/memimage/sparse"
)

// bufferSize is how much of a file is read at a time, in bytes.
const bufferSize = 256 << 10

// zeroBlock is how many zeros in a row are worth skipping.
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

// Taker takes data in order: as they are, or as a run of n zeros. TakeZeros has the same result as Take with n zero
// bytes, in fewer steps if possible.
type Taker interface {
	Take(p []byte)
	TakeZeros(n int64)
}

// maxRun is how many zeros a taker is given at once at most: between runs the
// reader is asked again, and may fail.
const maxRun = 4 << 20

// Feed gives size bytes of data to a taker in order, in one pass. Zeros that the reader knows are not read. Errors of
// the data pass through.
func Feed(to Taker, data io.ReaderAt, size int64) error {
	buf := make([]byte, min(bufferSize, max(size, 0)))
	for off := int64(0); off < size; {
		if n := sparse.ZeroRun(data, off, min(size-off, maxRun)); n >= zeroBlock {
			to.TakeZeros(n)
			off += n
			continue
		}
		p := buf[:min(bufferSize, size-off)]
		if err := readFull(data, p, off); err != nil {
			return err
		}
		feedBlocks(to, p)
		off += int64(len(p))
	}
	return nil
}

// feedBlocks gives data to a taker: blocks of zeros as runs of zeros, and neighbouring blocks of the same kind in one
// call.
func feedBlocks(to Taker, p []byte) {
	for len(p) > 0 {
		zeros := sparse.AllZero(p[:min(zeroBlock, len(p))])
		n := 0
		for n < len(p) && sparse.AllZero(p[n:min(n+zeroBlock, len(p))]) == zeros {
			n = min(n+zeroBlock, len(p))
		}
		if zeros {
			to.TakeZeros(int64(n))
		} else {
			to.Take(p[:n])
		}
		p = p[n:]
	}
}

// noughts are zeros to write.
var noughts [64]byte
