package format

import (
	"bufio"
	"compress/bzip2"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"

	"memlens/memimage/sparse"
)

// packer is a way to compress a file as a whole.
type packer struct {
	name  string
	magic string // behind the skippable frames that zstd and lz4 may have in front
	// known decides by more than the magic whether a file is of this kind; nil: the magic decides.
	known     func(in *input) (bool, error)
	open      func(io.Reader) (io.Reader, error)
	unchecked bool // it never has a checksum of the unpacked data
	endless   bool // it has no mark at its end
	// direct gives random access if the file was made for it, or fails with ErrFormat; nil: no file is.
	direct func(in *input) (sparse.Source, error)
}

const (
	// maxDirect is the largest unpacked block to which random access is worth while: each access costs the unpacking
	// of a block, some milliseconds. Formats that unpack slowly have a smaller bound.
	maxDirect   = 1 << 20
	maxDirectXZ = 256 << 10
	// maxWindow bounds the memory of a decoder.
	maxWindow = 128 << 20
)

func packers() []packer {
	return []packer{
		{name: "snappy", magic: "\xff\x06\x00\x00sNaP", open: openS2, endless: true},
		{name: "S2", magic: "\xff\x06\x00\x00S2sT", open: openS2, endless: true},
		{name: "gzip", magic: "\x1f\x8b\x08", open: func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
		{name: "zstd", magic: "\x28\xb5\x2f\xfd", open: openZstdStream, direct: directZstd},
		{name: "xz", magic: "\xfd7zXZ\x00", open: func(r io.Reader) (io.Reader, error) { return xz.NewReader(r) }, direct: directXZ},
		{name: "bzip2", magic: "BZh", open: func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }},
		{name: "lz4", magic: "\x04\x22\x4d\x18", open: openLZ4},
		{name: "lz4 (legacy)", magic: "\x02\x21\x4c\x18", open: openLZ4, unchecked: true},
		{name: "lzma", magic: "\x5d\x00\x00", known: isLZMA, open: openLZMA, unchecked: true},
		{name: "zlib", known: isZlib, open: func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }},
	}
}

func openLZMA(r io.Reader) (io.Reader, error) {
	return lzma.ReaderConfig{DictCap: maxWindow}.NewReader(r)
}

func openLZ4(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil }

// openS2 reads the framed streams of Snappy and of S2, which has larger blocks, and more ways to pack a block.
func openS2(r io.Reader) (io.Reader, error) { return s2.NewReader(r), nil }

func openZstdStream(r io.Reader) (io.Reader, error) {
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
}

// openPacked opens files that were compressed as a whole, and the image in them.
func openPacked(in *input) (*Image, error) {
	head, err := behindSkipped(in)
	if err != nil {
		return nil, err
	}
	for _, p := range packers() {
		switch ok, err := p.matches(in, head); {
		case err != nil:
			return nil, err
		case ok:
			return p.unpack(in)
		}
	}
	return nil, ErrFormat
}

// matches reports whether a file is of this kind; head holds its first bytes behind the frames to skip.
func (p packer) matches(in *input, head fields) (bool, error) {
	if p.magic != "" && !head.has(0, p.magic) {
		return false, nil
	}
	if p.known == nil {
		return true, nil
	}
	return p.known(in)
}

// maxSkipped bounds the frames to be skipped in front of a file.
const maxSkipped = 16

// behindSkipped returns the first bytes of in behind its skippable frames. Decoders of zstd and lz4 skip these
// frames: a magic of 0x184d2a50 to 0x184d2a5f, and the size of the data to skip. Files of pzstd begin with such a
// frame.
func behindSkipped(in *input) (fields, error) {
	at := int64(0)
	for range maxSkipped {
		f, err := readUpTo(in, at, 8)
		if err != nil || len(f) < 8 || f.u32(0)&^0xf != 0x184d2a50 {
			return f, err
		}
		at += 8 + int64(f.u32(4))
	}
	return nil, nil
}

func (p packer) unpack(in *input) (*Image, error) {
	if p.direct != nil {
		switch content, err := p.direct(in); {
		case err == nil:
			return in.nested(p.name, &inner{Source: content, name: unpackedName(in.Name()), outer: in.Source})
		case sparse.Failed(err):
			return nil, err
		}
	}
	if p.unchecked {
		in.note("%s has no checksum: nothing tells if its bytes are damaged.", p.name)
	}
	if p.endless {
		in.note("%s has no mark of its end: a file that was cut off between two blocks looks whole.", p.name)
	}
	counted := &countingReader{src: in}
	r, err := p.open(bufio.NewReaderSize(counted, 256<<10))
	if err != nil {
		r = failing{err}
	}
	content, err := in.spool(p.name, r, counted, 0)
	if err != nil {
		return nil, err
	}
	return in.nested(p.name, content)
}

// failing is a reader that always fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
