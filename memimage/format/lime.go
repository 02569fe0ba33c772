package format

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/snappy"
)

const (
	limeMagic  = 0x4c694d45 // "EMiL": LiME, and AVML without compression
	avmlMagic  = 0x4c4d5641 // "AVML"
	limeHeader = 32
	// snappyBlock is the most that a chunk of the snappy framing format unpacks to.
	snappyBlock = 64 << 10
)

// limeFile is a LiME or AVML file while it is opened: a chain of ranges, each behind a header with its first and last
// physical address.
type limeFile struct {
	*input
	layout *layout
	snappy snappyBlocks
	ranges int
}

// openLiME opens the files of LiME (version 1, not compressed) and AVML (version 2, in snappy frames).
func openLiME(in *input) (*Image, error) {
	head, err := in.head(limeHeader)
	if err != nil {
		return nil, err
	}
	name := "LiME"
	switch {
	case len(head) < limeHeader && (head.u32(0) == limeMagic || head.u32(0) == avmlMagic):
		return nil, in.shortHeader("a LiME file")
	case head.u32(0) == limeMagic && head.u32(4) == 1:
	case head.u32(0) == avmlMagic && head.u32(4) == 2:
		name = "AVML (LiME 2)"
	case head.u32(0) == limeMagic, head.u32(0) == avmlMagic:
		return nil, fmt.Errorf("format: %s is a LiME file of version %d; versions 1 and 2 (AVML) are known", in.Name(), head.u32(4))
	default:
		return nil, ErrFormat
	}
	f := &limeFile{input: in, layout: in.newLayout()}
	f.snappy = snappyBlocks{in: in, index: &varied{}}
	f.snappy.stream = in.watch("snappy blocks", in.newBlocks(f.snappy.index, snappyBlock, f.snappy.load))
	if err := f.read(); err != nil {
		return nil, err
	}
	mem, err := f.layout.reader(in)
	if err != nil {
		return nil, err
	}
	return &Image{Format: name, Memory: mem}, nil
}

// read walks the chain of ranges to its end or to the first damage.
func (f *limeFile) read() error {
	size := f.Size()
	for at := int64(0); at < size; {
		h, err := readUpTo(f, at, limeHeader)
		if err != nil {
			return err
		}
		if len(h) < limeHeader {
			f.cutBefore(uint64(at)+limeHeader, "within the header of range %d", f.ranges)
			f.note("The header of range %d, at offset %#x, cannot be read whole: what followed is missing.", f.ranges, at)
			return nil
		}
		first, last := h.u64(8), h.u64(16)
		if magic := h.u32(0); magic != limeMagic && magic != avmlMagic || last < first || last >= maxPhysical || f.layout.full() {
			f.note("At offset %#x there is no header of a range: the file is damaged there, and the rest (%s) is left out.", at, sizeText(uint64(size-at)))
			return nil
		}
		f.ranges++
		at += limeHeader
		if h.u32(0) == limeMagic {
			f.layout.add(first, last-first+1, uint64(at))
			at += int64(last - first + 1)
			continue
		}
		if at, err = f.placeFrames(first, last-first+1, at); err != nil || at < 0 {
			return err
		}
	}
	return nil
}

// placeFrames places a range of n bytes that is stored in snappy frames from at on, and returns where the next header
// is, or -1 when the place cannot be known. Behind the frames is their length in 8 bytes.
func (f *limeFile) placeFrames(addr, n uint64, at int64) (int64, error) {
	begin, done := at, uint64(0)
	for done < n && !(done == n-1 && f.trailer(at, at-begin)) { // some writers put the end in place of the last address
		c, err := f.snappy.chunk(at)
		if err != nil {
			if ended(err) {
				f.cutWithin("within the compressed range at physical address %#x", addr)
			}
			f.note("The range at physical address %#x ends after %#x of %#x bytes: %s. What follows in the file is left out.", addr, done, n, sentence(err))
			f.layout.miss(addr+done, n-done)
			return -1, nil
		}
		at += 4 + int64(c.size)
		if c.unpacked == 0 {
			continue
		}
		c.unpacked = min(c.unpacked, int(n-done))
		off := f.snappy.add(c)
		f.layout.addFrom(f.snappy.stream, uint64(off)+uint64(c.unpacked), addr+done, uint64(c.unpacked), uint64(off))
		done += uint64(c.unpacked)
	}
	return at + 8, nil
}

// trailer reports whether the bytes at that offset are the length that ends a range.
func (f *limeFile) trailer(at, length int64) bool {
	b, err := readUpTo(f, at, 8)
	return err == nil && len(b) == 8 && b.u64(0) == uint64(length)
}

// snappyChunk is a chunk of the snappy framing format.
type snappyChunk struct {
	kind     byte
	at       int64 // offset of its checksum in the file
	size     int   // bytes behind the header of 4
	unpacked int   // 0 for chunks without data
}

// snappyBlocks indexes the data chunks of a file.
type snappyBlocks struct {
	in     *input
	index  *varied
	chunks []packedBlock
	stream *blocks
	seen   int // chunks of all kinds
}

// packedBlock says where a block is stored.
type packedBlock struct {
	at   int64
	size uint32
	kind uint32
}

// chunk reads the header of the chunk at that offset.
func (s *snappyBlocks) chunk(at int64) (snappyChunk, error) {
	h, err := readUpTo(s.in, at, 16)
	if err != nil {
		return snappyChunk{}, err
	}
	c := snappyChunk{kind: 0xff, at: at + 4, size: int(h.u32(0) >> 8)}
	if len(h) < 8 || int64(c.size) > s.in.Size()-at-4 {
		return c, ends("the file is truncated at offset %#x", at)
	}
	if s.seen++; s.seen > maxBlocks {
		return c, fmt.Errorf("there are more than %d compressed blocks", maxBlocks)
	}
	c.kind = h[0]
	switch {
	case c.kind == 0 && c.size > 4:
		n, used := binary.Uvarint(h[8:])
		if used <= 0 || n > snappyBlock {
			return c, fmt.Errorf("the chunk at offset %#x is damaged", at)
		}
		c.unpacked = int(n)
	case c.kind == 1 && c.size >= 4 && c.size-4 <= snappyBlock:
		c.unpacked = c.size - 4
	case c.kind < 0x80:
		return c, fmt.Errorf("at offset %#x there is no snappy frame", at)
	}
	return c, nil
}

// add appends a chunk to the stream and returns its offset there.
func (s *snappyBlocks) add(c snappyChunk) int64 {
	off := s.index.end()
	s.chunks = append(s.chunks, packedBlock{c.at, uint32(c.size), uint32(c.kind)})
	s.index.append(int64(c.unpacked))
	return off
}

// load unpacks a chunk and verifies its checksum.
func (s *snappyBlocks) load(i int) ([]byte, error) {
	c := s.chunks[i]
	b, err := readUpTo(s.in, c.at, int(c.size))
	if err != nil {
		return nil, err
	}
	if len(b) < int(c.size) || len(b) < 4 {
		return nil, fmt.Errorf("format: snappy chunk at %#x is truncated", c.at)
	}
	data := []byte(b[4:])
	if c.kind == 0 {
		if n, err := snappy.DecodedLen(data); err != nil || n > snappyBlock {
			return nil, fmt.Errorf("format: snappy chunk at %#x is damaged", c.at)
		}
		if data, err = snappy.Decode(nil, data); err != nil {
			return nil, fmt.Errorf("format: snappy chunk at %#x: %w", c.at, err)
		}
	}
	if crc := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)); b.u32(0) != (crc>>15|crc<<17)+0xa282ead8 {
		return nil, fmt.Errorf("format: the checksum of the snappy chunk at %#x is wrong", c.at)
	}
	_, size := s.index.block(i)
	return data[:min(int64(len(data)), size)], nil
}
