package figure

import (
	"errors"
	"fmt"
	"io"
	"math/bits"

	"memlens/memimage/sparse"
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

// take reads the recovered bytes of the subject.
func take(s *Subject, l *layout) (*sample, error) {
	missing := normalize(s.Missing, s.Size)
	out := &sample{gone: missingDots(missing, l)}
	if l.dotBytes == 1 {
		out.bytes = make([]byte, s.Size)
		return out, eachPiece(s.Data, s.Size, missing, copier(out.bytes))
	}
	sum := newAverager(l, int((s.Size+l.dotBytes-1)/l.dotBytes))
	if err := eachPiece(s.Data, s.Size, missing, sum); err != nil {
		return nil, err
	}
	out.rgb = sum.colors()
	return out, nil
}

// missingDots returns the dots in which at least half of the bytes are missing.
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

// sampler takes the data in order: as they are, or as a run of n zeros.
type sampler interface {
	add(p []byte, off int64)
	addZeros(off, n int64)
}

// copier copies the data to bytes that are zeros.
type copier []byte

func (c copier) add(p []byte, off int64) { copy(c[off:], p) }
func (copier) addZeros(int64, int64)     {}

// eachPiece gives the data to s in order, without the missing bytes, in pieces of at most chunkSize. Zeros that the
// data's reader knows of are not read.
func eachPiece(r io.ReaderAt, size int64, missing []Span, s sampler) error {
	buf := make([]byte, min(chunkSize, size))
	for off := int64(0); off < size; {
		stop := size
		if len(missing) > 0 {
			if stop = missing[0].Off; stop == off {
				off, missing = missing[0].end(), missing[1:]
				continue
			}
		}
		if n := sparse.ZeroRun(r, off, stop-off); n >= minRun {
			s.addZeros(off, n)
			off += n
			continue
		}
		p := buf[:min(chunkSize, stop-off)]
		if err := readFull(r, p, off); err != nil {
			return err
		}
		s.add(p, off)
		off += int64(len(p))
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
		if off%a.dotBytes == 0 && a.step == 1 {
			n := a.addDots(p, off/a.dotBytes)
			if p, off = p[n:], off+int64(n); len(p) == 0 {
				return
			}
		}
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

// addDots adds all bytes of the whole dots at the beginning of p, whose first dot is first, and returns the number of
// these bytes.
func (a *averager) addDots(p []byte, first int64) int {
	each := int(a.dotBytes)
	sums := a.sum[first:][:len(p)/each]
	counts := a.n[first:][:len(sums)]
	for i := range sums {
		sum, n := uint64(0), i*each
		for _, c := range p[n : n+each] {
			sum += a.color[c]
		}
		sums[i] += sum
		counts[i] += uint32(each)
	}
	return len(sums) * each
}

// addZeros adds n zeros from off on.
func (a *averager) addZeros(off, n int64) {
	for n > 0 {
		dot := off / a.dotBytes
		part := min((dot+1)*a.dotBytes-off, n)
		count := multiples(off+part, a.step) - multiples(off, a.step)
		a.sum[dot] += uint64(count) * a.color[0]
		a.n[dot] += uint32(count)
		off, n = off+part, n-part
	}
}

// multiples returns how many multiples of step there are from 0 to below end.
func multiples(end, step int64) int64 { return (end + step - 1) / step }

// colors returns the mean of each dot as 0xRRGGBB.
func (a *averager) colors() []uint32 {
	out := make([]uint32, len(a.sum))
	const primary = 1<<21 - 1
	for i, sum := range a.sum {
		n := uint64(a.n[i])
		if n == 0 {
			continue
		}
		r, g, b := sum>>42, sum>>21&primary, sum&primary
		if shift := bits.TrailingZeros64(n); n == 1<<shift { // as for most dots: dividing takes longer
			out[i] = uint32(r>>shift<<16 | g>>shift<<8 | b>>shift)
		} else {
			out[i] = uint32(r/n<<16 | g/n<<8 | b/n)
		}
	}
	return out
}
