package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"memlens/memimage/sparse"
)

// frames is a compressed file made of parts that unpack on their own.
type frames struct {
	in    *input
	index varied
	parts []packedBlock
	large int64 // the largest unpacked part
}

// add appends a part; it fails for files that are better unpacked as a whole.
func (f *frames) add(at, packed, unpacked int64) error { return f.addKind(at, packed, unpacked, 0) }

// addKind appends a part with a number that its unpacking needs.
func (f *frames) addKind(at, packed, unpacked int64, kind uint32) error {
	if packed <= 0 || packed > 2*maxDirect || unpacked < 0 || unpacked > maxDirect || len(f.parts) == maxBlocks || at+packed > f.in.Size() {
		return ErrFormat
	}
	if unpacked > 0 {
		f.parts = append(f.parts, packedBlock{at: at, size: uint32(packed), kind: kind})
		f.index.append(unpacked)
		f.large = max(f.large, unpacked)
	}
	return nil
}

// reader returns the unpacked file.
func (f *frames) reader(unpack func(packed []byte, size int, kind uint32) ([]byte, error)) (sparse.Source, error) {
	if len(f.parts) < 2 {
		return nil, ErrFormat
	}
	load := func(i int) ([]byte, error) {
		p := f.parts[i]
		packed, err := readUpTo(f.in, p.at, int(p.size))
		if err != nil {
			return nil, err
		}
		_, size := f.index.block(i)
		return unpack(packed, int(size), p.kind)
	}
	return f.in.watch("compressed blocks", f.in.newBlocks(&f.index, f.large, load)), nil
}

// directZstd gives random access to zstd files of many frames whose headers have their size: the seekable format (its
// table in a skippable frame is not needed), files of pzstd, and others.
func directZstd(in *input) (sparse.Source, error) {
	f := &frames{in: in}
	for at := int64(0); at < in.Size(); {
		n, size, err := zstdFrame(in, at)
		if err != nil {
			return nil, err
		}
		if err := f.add(at, n, size); err != nil {
			return nil, err
		}
		at += n
	}
	code, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(maxDirect))
	if err != nil {
		return nil, fmt.Errorf("format: zstd: %w", err)
	}
	return f.reader(func(packed []byte, size int, _ uint32) ([]byte, error) {
		return code.DecodeAll(packed, make([]byte, 0, size))
	})
}

// zstdFrame returns the packed and unpacked size of the frame at that offset.
func zstdFrame(in *input, at int64) (packed, unpacked int64, err error) {
	b, err := readUpTo(in, at, 32)
	if err != nil {
		return 0, 0, err
	}
	var h zstd.Header
	if err := h.Decode(b); err != nil {
		return 0, 0, ErrFormat
	}
	if h.Skippable {
		return 8 + int64(h.SkippableSize), 0, nil
	}
	if !h.HasFCS || h.FrameContentSize > maxDirect {
		return 0, 0, ErrFormat
	}
	end := at + int64(h.HeaderSize)
	for blocks := 0; ; blocks++ {
		b, err := readUpTo(in, end, 3)
		if err != nil || len(b) < 3 || blocks > maxDirect/1024 {
			return 0, 0, errors.Join(ErrFormat, err)
		}
		head := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
		size := int64(head >> 3)
		if head>>1&3 == 1 { // one byte, to be repeated
			size = 1
		}
		end += 3 + size
		if head&1 != 0 {
			break
		}
	}
	if h.HasCheckSum {
		end += 4
	}
	return end - at, int64(h.FrameContentSize), nil
}

const (
	xzHeader = 12
	xzFooter = 12
	// maxXZIndex bounds the index of an xz file in bytes.
	maxXZIndex = 32 << 20
)

// directXZ gives random access to xz files of one stream and many blocks, by the index at their end.
func directXZ(in *input) (sparse.Source, error) {
	index, err := xzIndex(in)
	if err != nil {
		return nil, err
	}
	head, err := in.head(xzHeader)
	if err != nil {
		return nil, err
	}
	f := &frames{in: in}
	n, index := uvarint(index)
	at := int64(xzHeader)
	for range min(n, maxBlocks+1) {
		var unpadded, size uint64
		unpadded, index = uvarint(index)
		size, index = uvarint(index)
		if unpadded > 2*maxDirectXZ || size > maxDirectXZ {
			return nil, ErrFormat
		}
		padded := int64(unpadded+3) &^ 3
		if err := f.addKind(at, padded, int64(size), uint32(unpadded)); err != nil {
			return nil, err
		}
		at += padded
	}
	return f.reader(func(packed []byte, size int, unpadded uint32) ([]byte, error) {
		return xzBlock(head, packed, size, unpadded)
	})
}

// xzIndex returns the records of the index, with their number in front, when the index and the footer are sound.
func xzIndex(in *input) ([]byte, error) {
	size := in.Size()
	foot, err := readUpTo(in, size-xzFooter, xzFooter)
	if err != nil {
		return nil, err
	}
	n := (int64(foot.u32(4)) + 1) * 4
	if !foot.has(10, "YZ") || foot.u32(0) != crc32.ChecksumIEEE(foot[4:10]) || n > maxXZIndex || n < 8 || n > size-xzHeader-xzFooter {
		return nil, ErrFormat
	}
	b, err := readUpTo(in, size-xzFooter-n, int(n))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) < n || b[0] != 0 || b.u32(int(n)-4) != crc32.ChecksumIEEE(b[:n-4]) {
		return nil, ErrFormat
	}
	return b[1 : n-4], nil
}

// uvarint reads a number, and returns it and the bytes behind it; zero when there is no number.
func uvarint(b []byte) (uint64, []byte) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil
	}
	return v, b[n:]
}

// xzBlock unpacks a block by making a stream of it alone: header, block with its padding, index, footer.
func xzBlock(head, block []byte, size int, unpadded uint32) ([]byte, error) {
	index := binary.AppendUvarint([]byte{0, 1}, uint64(unpadded))
	index = pad4(binary.AppendUvarint(index, uint64(size)))
	index = binary.LittleEndian.AppendUint32(index, crc32.ChecksumIEEE(index))
	foot := binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1))
	foot = append(foot, head[6:8]...)
	stream := append(bytes.Clone(head), block...)
	stream = append(stream, index...)
	stream = binary.LittleEndian.AppendUint32(stream, crc32.ChecksumIEEE(foot))
	stream = append(append(stream, foot...), "YZ"...)
	r, err := xz.NewReader(bytes.NewReader(stream))
	if err != nil {
		return nil, fmt.Errorf("format: xz block: %w", err)
	}
	out, err := readAtMost(r, size)
	if err != nil {
		return nil, fmt.Errorf("format: xz block: %w", err)
	}
	return out, nil
}

// pad4 fills b up with zeros to a multiple of 4 bytes.
func pad4(b []byte) []byte { return append(b, make([]byte, align4(len(b))-len(b))...) }
