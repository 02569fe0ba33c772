package format

import (
	"errors"
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

// bitmapReader reads physical memory by a page bitmap without a list of its runs, for dumps with more runs than a
// list should hold. It is a [sparse.Source].
type bitmapReader struct {
	src   sparse.Source // where the pages are
	size  uint64        // of src
	words *sparse.Cache
	b     pageBitmap
	ranks []uint64 // bits that are set before each piece
}

// newBitmapReader counts the bits of b, which lies in the file, as far as it can be read. The pages are in src, which
// has size bytes.
func newBitmapReader(in *input, b pageBitmap, src sparse.Source, size uint64) (*bitmapReader, error) {
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

// run returns how many pages from page on, within its piece of the bitmap, have the same bit, and whether they are in
// the file. If so, data is the offset of the first page.
func (r *bitmapReader) run(page uint64) (n uint64, present bool, data uint64, err error) {
	piece := page / rankBits
	end := min((piece+1)*rankBits, r.b.bits)
	buf, err := readUpTo(r.words, int64(r.b.at+piece*rankBytes), int(min(rankBytes, (end-piece*rankBits+7)/8)))
	if err != nil {
		return 0, false, 0, err
	}
	if uint64(len(buf))*8 < end-piece*rankBits {
		return 0, false, 0, &sparse.HoleError{Off: int64(page * pageSize), Len: int64((end - page) * pageSize), Err: errBitmap}
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

// Size returns how much memory the bitmap covers, in bytes.
func (r *bitmapReader) Size() int64 { return int64(r.b.bits * pageSize) }

// Probe implements [sparse.Source].
func (r *bitmapReader) Probe(off int64) (int64, error) {
	if off < 0 {
		return 0, fmt.Errorf("format: negative offset %d", off)
	}
	page := uint64(off) / pageSize
	if page >= r.b.bits {
		return 0, io.EOF
	}
	n, present, data, err := r.run(page)
	if hole := new(sparse.HoleError); errors.As(err, &hole) {
		return hole.Off + hole.Len - off, &sparse.HoleError{Off: off, Len: hole.Off + hole.Len - off, Err: hole.Err}
	}
	if err != nil {
		return 1, err
	}
	length := int64(n*pageSize) - off%pageSize
	data += uint64(off % pageSize)
	switch {
	case !present:
		return length, &sparse.HoleError{Off: off, Len: length}
	case data >= r.size:
		return length, &sparse.HoleError{Off: off, Len: length, Err: fmt.Errorf("format: the file is truncated at %#x", r.size)}
	}
	m, err := r.src.Probe(int64(data))
	m = min(m, length, int64(r.size-data))
	if sparse.IsHole(err) {
		err = &sparse.HoleError{Off: off, Len: m, Err: err}
	}
	return m, err
}

// errBitmap is the error for pages whose bits in the bitmap are missing.
var errBitmap = errors.New("format: the part of the page bitmap that tells of it is missing")

// ReadAt implements [sparse.Source]. Pages that are not in the file are a *[sparse.HoleError].
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
		piece := p[done : done+int(min(n, int64(len(p)-done)))]
		m, err := r.src.ReadAt(piece, int64(data)+pos%pageSize)
		if done += m; m < len(piece) {
			if sparse.IsHole(err) { // the hole has the same length in memory as in the file
				_, err = r.Probe(pos + int64(m))
			}
			return done, err
		}
	}
	return done, nil
}
