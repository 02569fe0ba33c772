package figure

import (
	"errors"
	"fmt"
	"io"

	"memlens/render"
)

// chunkSize is how much of a file is read at a time, in bytes. It is a
// multiple of every dotBytes up to it.
const chunkSize = 1 << 18

// sample is a file reduced to dots: bytes where a dot is one byte, else mean
// colours.
type sample struct {
	bytes []byte
	rgb   []uint32
	gone  []Span // dots that were not recovered
}

// take reads what was recovered of the subject.
func take(s *Subject, l *layout) (*sample, error) {
	missing := normalize(s.Missing, s.Size)
	out := &sample{gone: missingDots(missing, l)}
	if l.dotBytes == 1 {
		out.bytes = make([]byte, s.Size)
		return out, eachPiece(s.Data, s.Size, missing, func(p []byte, off int64) { copy(out.bytes[off:], p) })
	}
	sum := newAverager(l, int((s.Size+l.dotBytes-1)/l.dotBytes))
	if err := eachPiece(s.Data, s.Size, missing, sum.add); err != nil {
		return nil, err
	}
	out.rgb = sum.colors()
	return out, nil
}

// missingDots returns the dots of which at least half is missing.
func missingDots(missing []Span, l *layout) []Span {
	half := (l.dotBytes + 1) / 2
	var dots []Span
	for _, s := range missing {
		if s.Len < half && s.end() < l.size {
			continue
		}
		first := (s.Off + half - 1) / l.dotBytes
		last := (min(s.end(), l.size) + l.dotBytes - half) / l.dotBytes
		if s.end() == l.size {
			last = int64(l.dots())
		}
		if first < last {
			dots = append(dots, Span{first, last - first})
		}
	}
	return dots
}

// eachPiece reads the data in order, without what is missing, in pieces of at
// most chunkSize.
func eachPiece(r io.ReaderAt, size int64, missing []Span, f func(p []byte, off int64)) error {
	buf := make([]byte, min(chunkSize, size))
	for off := int64(0); off < size; {
		n := min(chunkSize, size-off)
		stop := off + n
		skip := int64(0)
		within(missing, off, n, func(s Span) {
			if s.Off < stop {
				stop, skip = s.Off, s.Len
			}
		})
		p := buf[:stop-off]
		if err := readFull(r, p, off); err != nil {
			return err
		}
		f(p, off)
		off = stop + skip
	}
	return nil
}

// readFull fills p from off on. An end of the data before that is an error.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	if len(p) == 0 {
		return nil
	}
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return fmt.Errorf("figure: data end at offset %#x, %d bytes early: %w", off+int64(n), len(p)-n, io.ErrUnexpectedEOF)
	}
	return err
}

// averager sums up the colours of the bytes of each dot, three primaries in
// one word of 21 bits each: enough for 8192 bytes.
type averager struct {
	dotBytes int64
	step     int64 // of the bytes of a dot, one in step counts
	color    [256]uint64
	sum      []uint64
	n        []uint32
}

// maxSummed is how many bytes of a dot are summed up at most.
const maxSummed = 4096

func newAverager(l *layout, dots int) *averager {
	a := &averager{dotBytes: l.dotBytes, step: max(l.dotBytes/maxSummed, 1),
		sum: make([]uint64, dots), n: make([]uint32, dots)}
	for c, rgb := range render.Palette() {
		r, g, b, _ := rgb.RGBA()
		a.color[c] = uint64(r>>8)<<42 | uint64(g>>8)<<21 | uint64(b>>8)
	}
	return a
}

func (a *averager) add(p []byte, off int64) {
	for len(p) > 0 {
		dot := off / a.dotBytes
		n := int(min((dot+1)*a.dotBytes-off, int64(len(p))))
		var sum uint64
		if a.step == 1 {
			for _, c := range p[:n] {
				sum += a.color[c]
			}
			a.n[dot] += uint32(n)
		} else {
			for i := (a.step - off%a.step) % a.step; i < int64(n); i += a.step {
				sum += a.color[p[i]]
				a.n[dot]++
			}
		}
		a.sum[dot] += sum
		p, off = p[n:], off+int64(n)
	}
}

// colors returns the mean of each dot as 0xRRGGBB.
func (a *averager) colors() []uint32 {
	out := make([]uint32, len(a.sum))
	for i, sum := range a.sum {
		if n := uint64(a.n[i]); n > 0 {
			r, g, b := sum>>42/n, sum>>21&(1<<21-1)/n, sum&(1<<21-1)/n
			out[i] = uint32(r<<16 | g<<8 | b)
		}
	}
	return out
}
