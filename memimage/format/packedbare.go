package format

import (
	"bufio"
	"io"

	"github.com/klauspost/compress/zlib"
	"github.com/ulikunitz/xz/lzma"

	"memlens/memimage/sparse"
)

// Some compressed files begin with numbers alone, and memory may begin with anything: a file is taken for compressed
// only when there is more evidence than its first bytes.

const (
	// bareProof is how much must unpack without an error, in bytes, unless the file ends earlier.
	bareProof = 32 << 10
	// bareSmall is the size in bytes below which a file is no memory: it may hold little that is compressed.
	bareSmall = 64 << 10
)

// isZlib reports whether a file is a zlib stream, as LiME writes with compress=1: the whole LiME file, with its
// headers, is one stream.
func isZlib(in *input) (bool, error) {
	head, err := in.head(2)
	if err != nil || len(head) < 2 {
		return false, err
	}
	const deflate, dictionary = 8, 0x20
	if head[0]&0xf != deflate || head[0]>>4 > 7 || head[1]&dictionary != 0 || (int(head[0])<<8|int(head[1]))%31 != 0 {
		return false, nil
	}
	return unpacks(in, func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) })
}

// isLZMA reports whether a file is of the format that came before xz. Its header of 13 bytes is proof enough: the
// properties of the decoder, the size of the dictionary, for which there are few values, and the size of the content,
// or -1.
func isLZMA(in *input) (bool, error) {
	head, err := in.head(lzma.HeaderLen)
	return err == nil && len(head) == lzma.HeaderLen && lzma.ValidHeader(head), err
}

// unpacks reports whether the file can be unpacked as far as it goes, or so far that this cannot be chance.
func unpacks(in *input, open func(io.Reader) (io.Reader, error)) (bool, error) {
	before := in.medium.failures()
	r, err := open(bufio.NewReader(&countingReader{src: in}))
	if err == nil {
		_, err = io.CopyN(io.Discard, r, bareProof)
	}
	if failed := in.medium.since(before); failed != nil {
		return false, failed
	}
	if sparse.IsHole(err) {
		return false, nil
	}
	return err == nil || ended(err) || err == io.EOF && in.Size() < bareSmall, nil
}
