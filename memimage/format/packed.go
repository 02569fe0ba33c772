package format

import (
	"bufio"
	"compress/bzip2"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"

	"memlens/memimage/sparse"
)

// packer is a way to compress a file as a whole.
type packer struct {
	name  string
	magic string
	open  func(io.Reader) (io.Reader, error)
	// direct gives random access where the file was made for it, or fails with ErrFormat; nil: never.
	direct func(in *input) (sparse.Source, error)
}

const (
	// maxDirect is the largest unpacked block to which random access is worth while: each costs its unpacking, some
	// milliseconds. What unpacks slowly has a smaller one.
	maxDirect   = 1 << 20
	maxDirectXZ = 256 << 10
	// maxWindow bounds the memory of a decoder.
	maxWindow = 128 << 20
)

func packers() []packer {
	return []packer{
		{name: "gzip", magic: "\x1f\x8b\x08", open: func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
		{name: "zstd", magic: "\x28\xb5\x2f\xfd", open: openZstdStream, direct: directZstd},
		{name: "xz", magic: "\xfd7zXZ\x00", open: func(r io.Reader) (io.Reader, error) { return xz.NewReader(r) }, direct: directXZ},
		{name: "bzip2", magic: "BZh", open: func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }},
		{name: "lz4", magic: "\x04\x22\x4d\x18", open: func(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil }},
	}
}

func openZstdStream(r io.Reader) (io.Reader, error) {
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
}

// openPacked opens files that were compressed as a whole, and what is in them.
func openPacked(in *input) (*Image, error) {
	head, err := in.head(8)
	if err != nil {
		return nil, err
	}
	for _, p := range packers() {
		if head.has(0, p.magic) {
			return p.unpack(in)
		}
	}
	return nil, ErrFormat
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

// failing is a reader that never gives anything.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
