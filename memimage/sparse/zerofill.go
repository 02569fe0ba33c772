package sparse

import "io"

// ZeroFill returns a reader in which the holes of s read as zeros. note, when not nil, is told of each as it is read:
// offset and length in bytes. Every other error passes through. It is the one place where unreadable becomes zero, and
// the result is no [Source]: whoever wants to know what is missing asks s.
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
