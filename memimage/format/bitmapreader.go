package format

import (
	"fmt"
	"io"
	"math/bits"

	"memlens/memimage/sparse"
)

const (
	// rankBytes is the piece of a bitmap for which the number of bits before it is remembered.
	rankBytes = sparse.PageSize
	rankBits  = rankBytes * 8
)

// bitmapReader reads physical memory by a page bitmap without a list of its runs, for dumps that have more of them
// than a list should hold. It is a [sparse.Prober].
type bitmapReader struct {
	src   io.ReaderAt // where the pages are
	size  uint64      // of src
	words *sparse.Cache
	b     pageBitmap
	ranks []uint64 // bits that are set before each piece
}

// newBitmapReader counts the bits of b, which lies in the file, as far as it can be read. The pages are in src, which
// has size bytes.
func newBitmapReader(in *input, b pageBitmap, src io.ReaderAt, size uint64) (*bitmapReader, error) {
	r := &bitmapReader{src: src, size: size, words: sparse.NewCache(in.Source, 256), b: b}
	var n uint64
	read, err := b.words(in, func(first, w uint64) {
		if first%rankBits == 0 {
			r.ranks = append(r.ranks, n)
		}
		n += uint64(bits.OnesCount64(w))
	})
	r.b.bits = min(r.b.bits, read)
	return r, err
}

// run returns how many pages from page on, within its piece of the bitmap, are alike, and whether they are in the
// file; where they are, data is the offset of the first.
func (r *bitmapReader) run(page uint64) (n uint64, present bool, data uint64, err error) {
	piece := page / rankBits
	end := min((piece+1)*rankBits, r.b.bits)
	buf, err := readUpTo(r.words, int64(r.b.at+piece*rankBytes), int(min(rankBytes, (end-piece*rankBits+7)/8)))
	if err != nil {
		return 0, false, 0, err
	}
	if uint64(len(buf))*8 < end-piece*rankBits {
		return 0, false, 0, io.ErrUnexpectedEOF
	}
	bit := func(p uint64) bool { p -= piece * rankBits; return buf[p/8]>>(p%8)&1 != 0 }
	rank := r.ranks[piece]
	for i := range (page - piece*rankBits) / 8 {
		rank += uint64(bits.OnesCount8(buf[i]))
	}
	for p := page &^ 7; p < page; p++ {
		if bit(p) {
			rank++
		}
	}
	present = bit(page)
	for page+n < end && bit(page+n) == present {
		n++
	}
	return n, present, r.b.data + rank*pageSize, nil
}

// Probe implements [sparse.Prober].
func (r *bitmapReader) Probe(off int64) (int64, error) {
	page := uint64(off) / pageSize
	if page >= r.b.bits {
		return 0, io.EOF
	}
	n, present, data, err := r.run(page)
	if err != nil {
		return 0, err
	}
	length := int64(n*pageSize) - off%pageSize
	data += uint64(off % pageSize)
	switch {
	case !present:
		return length, &sparse.HoleError{Off: off, Len: length}
	case data >= r.size:
		return length, &sparse.HoleError{Off: off, Len: length, Err: fmt.Errorf("format: the file is truncated at %#x", r.size)}
	}
	return min(length, int64(r.size-data)), nil
}

// ReadAt implements [io.ReaderAt]. Pages that are not in the file are a *[sparse.HoleError].
func (r *bitmapReader) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		pos := off + int64(done)
		n, err := r.Probe(pos)
		if err != nil {
			return done, err
		}
		_, _, data, err := r.run(uint64(pos) / pageSize)
		if err != nil {
			return done, err
		}
		m, err := r.src.ReadAt(p[done:done+int(min(n, int64(len(p)-done)))], int64(data)+pos%pageSize)
		done += m
		if err != nil && int64(m) < n && done < len(p) {
			return done, err
		}
	}
	return done, nil
}
