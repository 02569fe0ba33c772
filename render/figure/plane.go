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

// sample is a file reduced to dots: bytes where a dot is one byte, else the bins of mean colours.
type sample struct {
	bytes []byte
	bins  []uint16
	gone  []Span // dots that were not recovered
}

// take reads the recovered bytes of the subject. The mean colours are also counted in dots.
func take(s *Subject, l *layout, dots *histogram) (*sample, error) {
	missing := normalize(s.Missing, s.Size)
	out := &sample{gone: missingDots(missing, l)}
	if l.dotBytes == 1 {
		out.bytes = make([]byte, s.Size)
		return out, eachPiece(s.Data, s.Size, missing, copier(out.bytes))
	}
	a := newAverager(l, int((s.Size+l.dotBytes-1)/l.dotBytes), dots)
	if err := eachPiece(s.Data, s.Size, missing, a); err != nil {
		return nil, err
	}
	out.bins = a.finish()
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

// averager finds the mean colour of the bytes of each dot. It takes the dots in their order, and keeps of a dot only the
// bin of its colour: there are up to half a million dots.
type averager struct {
	dotBytes int64
	step     int64 // of the bytes of a dot, one in step counts
	color    [256]uint64
	bins     []uint16
	dots     *histogram
	counted  int64 // dots that are in dots

	dot int64  // whose bytes are summed up
	sum uint64 // of their colours: three primaries of 21 bits each, enough for 8192 bytes
	n   uint64 // bytes in sum
}

// primary are the bits of a primary in a sum.
const primary = 1<<21 - 1

// maxSummed is how many bytes of a dot are summed up at most.
const maxSummed = 4096

func newAverager(l *layout, number int, dots *histogram) *averager {
	a := &averager{dotBytes: l.dotBytes, step: max(l.dotBytes/maxSummed, 1), bins: make([]uint16, number), dots: dots}
	for c, rgb := range render.Palette() {
		r, g, b, _ := rgb.RGBA()
		a.color[c] = uint64(r>>8)<<42 | uint64(g>>8)<<21 | uint64(b>>8)
	}
	return a
}

// add implements [sampler].
func (a *averager) add(p []byte, off int64) {
	for len(p) > 0 {
		if off%a.dotBytes == 0 && a.step == 1 {
			n := a.addDots(p, off/a.dotBytes)
			if p, off = p[n:], off+int64(n); len(p) == 0 {
				return
			}
		}
		a.begin(off / a.dotBytes)
		n := int(min((a.dot+1)*a.dotBytes-off, int64(len(p))))
		for i := multiples(off, a.step)*a.step - off; i < int64(n); i += a.step {
			a.sum += a.color[p[i]]
			a.n++
		}
		p, off = p[n:], off+int64(n)
	}
}

// addDots adds all bytes of the whole dots at the beginning of p, whose first dot is first, and returns the number of
// these bytes. It does so if a dot has a power of two of bytes, as the dots of all layouts have.
func (a *averager) addDots(p []byte, first int64) int {
	each := int(a.dotBytes)
	shift := uint(bits.TrailingZeros64(uint64(each))) & 63
	number := len(p) >> shift
	if number == 0 || each != 1<<shift {
		return 0
	}
	a.begin(first)
	a.counted += int64(number)
	for i := range a.bins[first:][:number] {
		sum := uint64(0)
		for _, c := range p[i<<shift:][:each] {
			sum += a.color[c]
		}
		a.bins[int(first)+i] = a.dots.add(sum>>42>>shift, sum>>21&primary>>shift, sum&primary>>shift)
	}
	return number << shift
}

// addZeros implements [sampler].
func (a *averager) addZeros(off, n int64) {
	for n > 0 {
		a.begin(off / a.dotBytes)
		part := min((a.dot+1)*a.dotBytes-off, n)
		count := uint64(multiples(off+part, a.step) - multiples(off, a.step))
		a.sum += count * a.color[0]
		a.n += count
		off, n = off+part, n-part
	}
}

// begin begins another dot, unless it is the current one.
func (a *averager) begin(dot int64) {
	if dot == a.dot {
		return
	}
	if a.n > 0 {
		a.bins[a.dot] = a.count(a.sum, a.n)
	}
	a.dot, a.sum, a.n = dot, 0, 0
}

// count counts the mean colour of n bytes as a dot, and returns its bin.
func (a *averager) count(sum, n uint64) uint16 {
	a.counted++
	r, g, b := sum>>42, sum>>21&primary, sum&primary
	if shift := bits.TrailingZeros64(n); n == 1<<shift { // as for most dots: dividing takes longer
		return a.dots.add(r>>shift, g>>shift, b>>shift)
	}
	return a.dots.add(r/n, g/n, b/n)
}

// finish counts the dots of which all bytes are missing as black ones, and returns the bins of all dots.
func (a *averager) finish() []uint16 {
	a.begin(-1)
	a.dots.settle(int64(len(a.bins)) - a.counted)
	return a.bins
}

// multiples returns how many multiples of step there are from 0 to below end.
func multiples(end, step int64) int64 { return (end + step - 1) / step }
