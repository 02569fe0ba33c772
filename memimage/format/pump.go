package format

import (
	"fmt"
	"io"
)

// firstRead is the room, in bytes, that is made before any data have come: a size that a file claims is not believed
// before.
const firstRead = 1 << 20

// readAtMost reads r to its end, which must come within n bytes.
func readAtMost(r io.Reader, n int) ([]byte, error) {
	out := make([]byte, 0, min(n, firstRead))
	for {
		m, err := r.Read(out[len(out):cap(out)])
		out = out[:len(out)+m]
		switch {
		case err == io.EOF:
			return out, nil
		case err != nil:
			return nil, err
		case len(out) == n:
			return out, atEnd(r)
		case len(out) == cap(out):
			out = append(make([]byte, 0, min(n, 4*cap(out))), out...)
		}
	}
}

// atEnd fails unless r has ended.
func atEnd(r io.Reader) error {
	var one [1]byte
	n, err := io.ReadFull(r, one[:])
	switch {
	case n > 0:
		return fmt.Errorf("more data than there should be")
	case err == io.EOF:
		return nil
	}
	return err
}
