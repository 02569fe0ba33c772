package format

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"

	"memlens/memimage/sparse"
)

const (
	maxAFF4Chunk = 4 << 20
	maxAFF4Bevy  = 1 << 20 // chunks in a bevy
)

// stream opens a stream of chunks, or a file of an archive as it is.
func (a *aff4File) stream(urn string) (sparse.Source, error) {
	if src := a.streams[urn]; src != nil {
		return src, nil
	}
	src, err := a.newStream(urn)
	if err == nil {
		a.streams[urn] = src
	}
	return src, err
}

func (a *aff4File) newStream(urn string) (sparse.Source, error) {
	if !a.isStream(urn) {
		if f, ok := a.entry(urn); ok {
			return f.plain()
		}
		a.lookAround()
	}
	s := &aff4Stream{aff4File: a, urn: urn, chunk: a.chunkSize(urn), size: a.number(urn, "size"),
		bevy:   a.number(urn, "chunksInSegment", "chunks_per_segment", "chunks_in_segment"),
		method: a.fact(urn, "compressionMethod", "compression", "CompressionMethod")}
	if s.chunk == 0 && s.size == 0 {
		a.lacks = true
		return nil, fmt.Errorf("format: the AFF4 stream %q is missing: %s", urn, a.elsewhere(urn))
	}
	if s.chunk <= 0 || s.chunk > maxAFF4Chunk || s.bevy <= 0 || s.bevy > maxAFF4Bevy || s.size <= 0 {
		return nil, fmt.Errorf("format: the description of the AFF4 stream %q is damaged: a size of %d bytes in chunks of %d, %d to a bevy", urn, s.size, s.chunk, s.bevy)
	}
	s.indices, _ = lru.New[int64, []Range](8) // fails for sizes below 1 only
	s.complete()
	a.medium.excuse(func() { s.checkEnd(int((s.size - 1) / s.chunk)) })
	return s.source(a.watch("AFF4 chunks", a.newBlocks(uniform{s.chunk, s.size}, s.chunk, s.load)))
}

// source returns the stream of its chunks, with holes where bevies are missing. An absurd size in the description
// makes one large hole, and not a huge number of chunks to look for one by one.
func (s *aff4Stream) source(chunks sparse.Source) (sparse.Source, error) {
	var extents []sparse.Extent
	size := s.bevy * s.chunk
	for _, n := range s.present() {
		e := sparse.Extent{Off: n * size, Len: min(size, s.size-n*size), Src: chunks, SrcOff: n * size}
		if k := len(extents) - 1; k >= 0 && extents[k].End() == e.Off {
			extents[k].Len += e.Len
			continue
		}
		extents = append(extents, e)
	}
	r, err := sparse.NewReader(s.size, extents...)
	if err != nil {
		return nil, fmt.Errorf("format: the AFF4 stream %q: %w", s.urn, err)
	}
	return r, nil
}

// aff4Stream is a stream of chunks of one size. A fixed number of chunks lie together in one file of an archive, a
// bevy.
type aff4Stream struct {
	*aff4File
	urn               string
	chunk, size, bevy int64
	method            string
	indices           *lru.Cache[int64, []Range] // by bevy: where its chunks are in it
}

// bevies returns the numbers below n that bevies of a stream may have, in order. It takes them from the ends of the
// names of files and of resources, for a resource may name its file. It does not count up to n, which comes from the
// file and may be absurd.
func (a *aff4File) bevies(n int64) []int64 {
	numbers := map[int64]bool{}
	take := func(name string) {
		digits := name[strings.LastIndexByte(name, '/')+1:]
		digits, _, _ = strings.Cut(digits, ".")
		if i, err := strconv.ParseInt(digits, 10, 64); err == nil && i >= 0 && i < n {
			numbers[i] = true
		}
	}
	for _, v := range a.volumes {
		for name := range v.files {
			take(name)
		}
		for urn := range v.facts {
			take(urn)
		}
	}
	return slices.Sorted(maps.Keys(numbers))
}

// bevyName returns the URN of a bevy.
func (s *aff4Stream) bevyName(n int64) string { return fmt.Sprintf("%s/%08d", s.urn, n) }

// count returns how many bevies the stream has.
func (s *aff4Stream) count() int64 { return (s.size-1)/s.chunk/s.bevy + 1 }

// present returns the numbers of the bevies that the volumes have, in order.
func (s *aff4Stream) present() []int64 {
	return slices.DeleteFunc(s.bevies(s.count()), func(n int64) bool {
		_, ok := s.entry(s.bevyName(n))
		return !ok
	})
}

// lacking returns how many bevies are missing, and the number of the first.
func (s *aff4Stream) lacking() (lack, first int64) {
	there := s.present()
	for first < int64(len(there)) && there[first] == first {
		first++
	}
	return s.count() - int64(len(there)), first
}

// complete looks for the volumes that hold the bevies that are missing, and notes which are not found.
func (s *aff4Stream) complete() {
	lack, first := s.lacking()
	if lack > 0 && !s.looked {
		s.lookAround()
		lack, first = s.lacking()
	}
	if lack > 0 {
		s.lacks = true
		s.note("Of the AFF4 stream %s, %s, from number %d on, in no volume that is here: their bytes are missing.",
			s.label(s.urn), count(int(lack), "bevy is", "bevies are"), first)
	}
}

// checkEnd looks at the last chunk, which shows whether the volume is complete.
func (s *aff4Stream) checkEnd(last int) {
	switch _, err := s.load(last); {
	case err == nil:
	case sparse.Failed(err):
		s.note("The last chunk of the AFF4 stream %q could not be read: %v.", s.urn, err)
	default:
		s.note("The last chunk of the AFF4 stream %q is missing: the acquisition was interrupted, or the volume is damaged.", s.urn)
	}
}

// load reads and unpacks a chunk.
func (s *aff4Stream) load(i int) ([]byte, error) {
	n := int64(i) / s.bevy
	name := s.bevyName(n)
	f, ok := s.entry(name)
	if !ok {
		return nil, fmt.Errorf("format: AFF4 bevy %q is missing", name)
	}
	index, err := s.index(name, n, f)
	if err != nil {
		return nil, err
	}
	k := int64(i) % s.bevy
	bevy, err := f.plain()
	if err != nil {
		return nil, err
	}
	if k >= int64(len(index)) || index[k].Len > uint64(2*s.chunk) || index[k].Off+index[k].Len > uint64(bevy.Size()) {
		return nil, fmt.Errorf("format: chunk %d of AFF4 bevy %q is missing", k, name)
	}
	data, err := readUpTo(bevy, int64(index[k].Off), int(index[k].Len))
	if err != nil {
		return nil, err
	}
	want := min(s.chunk, s.size-int64(i)*s.chunk)
	out, err := s.unpack(data)
	if err != nil {
		return nil, fmt.Errorf("format: chunk %d of AFF4 bevy %q is damaged: %w", k, name, err)
	}
	if n := int64(len(out)); n < want || n > s.chunk {
		return nil, fmt.Errorf("format: chunk %d of AFF4 bevy %q is damaged: it has %d bytes, and should have %d", k, name, n, want)
	}
	return out[:want], nil
}

// index returns where the chunks of a bevy are: pairs of an offset of 8 and a length of 4 bytes or, before the
// standard, numbers of 4 bytes.
func (s *aff4Stream) index(name string, n int64, bevy aff4Segment) ([]Range, error) {
	if index, ok := s.indices.Get(n); ok {
		return index, nil
	}
	var index []Range
	if f, ok := s.entry(name + ".index"); ok {
		b, err := readEntry(f.file, int(s.bevy)*12)
		if err != nil {
			return nil, err
		}
		for at := 0; at+12 <= len(b); at += 12 {
			index = append(index, Range{Off: fields(b).u64(at), Len: uint64(fields(b).u32(at + 8))})
		}
	} else if f, ok := s.entry(name + "/index"); ok {
		b, err := readEntry(f.file, int(s.bevy)*4+4)
		if err != nil {
			return nil, err
		}
		index = offsetsToRanges(b, bevy.file.UncompressedSize64)
	} else {
		return nil, fmt.Errorf("format: the index of AFF4 bevy %q is missing", name)
	}
	for i, r := range index { // so that sums cannot overflow
		index[i].Off = min(r.Off, maxPhysical)
	}
	s.indices.Add(n, index)
	return index, nil
}

// offsetsToRanges reads an index from before the standard: the offsets of the chunks (the first is 0) or, from
// Evimetry, the ends of the chunks. The last of the former ends with the bevy.
func offsetsToRanges(b fields, size uint64) []Range {
	var ends []uint64
	for at := 0; at+4 <= len(b); at += 4 {
		ends = append(ends, uint64(b.u32(at)))
	}
	if len(ends) > 0 && ends[0] == 0 {
		ends = append(ends[1:], size)
	}
	var index []Range
	var off uint64
	for _, end := range ends {
		if end < off {
			break
		}
		index = append(index, Range{Off: off, Len: end - off})
		off = end
	}
	return index
}
