package similarity

import (
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"
)

// Parameters of sdhash's digests ("sdbf", version 3, stream mode).
const (
	sdWindow      = 64       // bytes of a feature; also windows that compete for being one
	sdMinSize     = 512      // of a file
	sdMaxSize     = 1 << 40  // of a file, here
	sdChunk       = 32 << 20 // features do not span chunks of the file
	sdThreshold   = 16       // a feature has won more competitions than this
	filterSize    = 256      // bytes of a Bloom filter
	filterMax     = 160      // features of a full filter
	seenSize      = 16384    // bytes of a filter of features seen
	seenMax       = 8738     // features in it, at most
	hashesPerItem = 5        // the five words of a SHA-1
)

// SDBF is the similarity digest of a file as sdhash makes it: its most
// telling 64-byte features, hashed into a sequence of Bloom filters.
type SDBF struct {
	Name    string // of the file; part of the digest
	Size    int64  // of the file, in bytes
	last    int    // features in the last filter; the others are full
	filters []filter
}

// filterWords are the words of a filter.
const filterWords = filterSize / 8

// filter is a Bloom filter and the number of its set bits: all of the filter, and behind the first eighth, quarter
// and half.
type filter struct {
	words  [filterWords]uint64
	weight int
	rest   [3]int
}

// Sdhash returns the digest of size bytes of data. Below 512 bytes there is
// none. Errors of the data pass through.
func Sdhash(name string, data io.ReaderAt, size int64) (*SDBF, error) {
	if !canSdhash(size) {
		return nil, fmt.Errorf("similarity: sdhash of %d bytes: from %d to %d can be digested", size, sdMinSize, int64(sdMaxSize))
	}
	s := newSdhasher(name, size)
	if err := Feed(s, data, size); err != nil {
		return nil, err
	}
	return s.finish(), nil
}

func canSdhash(size int64) bool { return size >= sdMinSize && size <= sdMaxSize }

// sdhasher collects the features of a file.
type sdhasher struct {
	digest  SDBF
	chunk   *chunk
	room    int64                // bytes until the chunk ends
	seen    [seenSize / 8]uint64 // a larger Bloom filter, of features of the whole file
	inChunk int                  // features since the chunk, or the filter of seen features, began
}

func newSdhasher(name string, size int64) *sdhasher {
	s := &sdhasher{digest: SDBF{Name: name, Size: size, filters: make([]filter, 1)}, room: sdChunk}
	s.chunk = newChunk(s.add)
	return s
}

// Take implements [Taker].
func (s *sdhasher) Take(p []byte) {
	for len(p) > 0 {
		n := min(int64(len(p)), s.room)
		s.chunk.Take(p[:n])
		s.took(n)
		p = p[n:]
	}
}

// TakeZeros implements [Taker].
func (s *sdhasher) TakeZeros(n int64) {
	for n > 0 {
		part := min(n, s.room)
		s.chunk.TakeZeros(part)
		s.took(part)
		n -= part
	}
}

// took notes that the chunk has taken n bytes, and ends it when it is full.
func (s *sdhasher) took(n int64) {
	if s.room -= n; s.room == 0 {
		s.chunk.end()
		s.room, s.inChunk = sdChunk, 0
	}
}

// add puts a feature into the last filter, unless it is not new.
func (s *sdhasher) add(feature []byte) {
	var words [hashesPerItem]uint32
	sum := sha1.Sum(feature)
	for i := range words {
		words[i] = binary.LittleEndian.Uint32(sum[4*i:])
	}
	last := &s.digest.filters[len(s.digest.filters)-1]
	if !setBits(last.words[:], &words) || !setBits(s.seen[:], &words) {
		return
	}
	if s.digest.last++; s.digest.last == filterMax {
		s.digest.filters = append(s.digest.filters, filter{})
		s.digest.last = 0
	}
	if s.inChunk++; s.inChunk == seenMax {
		s.seen, s.inChunk = [seenSize / 8]uint64{}, 0
	}
}

// finish returns the digest. It drops a last filter with few features, which
// would match anything.
func (s *sdhasher) finish() *SDBF {
	s.chunk.end()
	d := &s.digest
	if n := len(d.filters); n > 1 && d.last < filterMax/8 {
		d.filters, d.last = d.filters[:n-1], filterMax
	}
	d.weigh()
	return d
}

// weigh counts the bits of the filters.
func (d *SDBF) weigh() {
	for i := range d.filters {
		f := &d.filters[i]
		f.weight = f.shares(f, 0, filterWords)
		for i := range f.rest {
			f.rest[i] = f.shares(f, filterWords/8<<i, filterWords)
		}
	}
}

// setBits puts words into a Bloom filter whose length is a power of two. It
// reports whether that changed it.
func setBits(filter []uint64, words *[hashesPerItem]uint32) (changed bool) {
	var added uint64
	for _, w := range words {
		at := &filter[int(w>>6)&(len(filter)-1)]
		bit := uint64(1) << (w & 63)
		added |= bit &^ *at
		*at |= bit
	}
	return added != 0
}
