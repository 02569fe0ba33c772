package sparse

import "io"

// ZeroFill returns a reader in which the holes of s read as zeros. note, when not nil, is called for each hole as it
// is read, with offset and length in bytes. All other errors pass through. It is the only place where missing bytes
// become zeros, and the result is no [Source]: to learn which bytes are missing, ask s.
func ZeroFill(s Source, note func(off, n int64)) io.ReaderAt { return zeroFill{s, note} }

type zeroFill struct {
	r    io.ReaderAt
	note func(off, n int64)
}

func (z zeroFill) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		n, err := z.r.ReadAt(p[done:], off+int64(done))
		done += n
		if done == len(p) {
			break
		}
		gap := gapLen(err)
		if gap == 0 {
			if err == nil {
				err = io.ErrUnexpectedEOF
			}
			return done, err
		}
		gap = min(gap, int64(len(p)-done))
		clear(p[done : done+int(gap)])
		if z.note != nil {
			z.note(off+int64(done), gap)
		}
		done += int(gap)
	}
	return done, nil
}
