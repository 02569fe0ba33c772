package format

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/klauspost/compress/zlib"
	"github.com/ulikunitz/xz/lzma"

	"memlens/memimage/sparse"
)

// Flags of a page.
const (
	affCompressed = 0x01
	affMethod     = 0xf0
	affZlib       = 0x00
	affLZMA       = 0x20
	affZero       = 0x30 // its data are the number of zeros
)

// content returns the image. Pages that are not compressed are read where they lie. Small compressed pages are
// unpacked when they are read. Large ones are unpacked to a file, for otherwise each read would unpack many
// mebibytes. Missing pages are holes.
func (a *affFile) content() (sparse.Source, error) {
	if a.plain() {
		return a.assemble(func(n int64, p affPage) (sparse.Extent, bool) {
			return sparse.Extent{Len: min(p.size, a.want(n)), Src: a.in, SrcOff: p.at}, true
		})
	}
	b := a.in.newBlocks(uniform{a.pageSize, a.size}, a.pageSize, a.load)
	a.in.watch("AFF pages", b)
	if a.pageSize > maxDirect {
		return a.spooled(b)
	}
	return a.assemble(func(n int64, _ affPage) (sparse.Extent, bool) {
		return sparse.Extent{Len: a.want(n), Src: b, SrcOff: n * a.pageSize}, true
	})
}

// plain reports whether no page is compressed.
func (a *affFile) plain() bool {
	for _, p := range a.pages {
		if p.flags&affCompressed != 0 {
			return false
		}
	}
	return true
}

// assemble returns the image made of the pages in the file. from says where the bytes of a page are; it returns false
// for a page to leave out.
func (a *affFile) assemble(from func(n int64, p affPage) (sparse.Extent, bool)) (sparse.Source, error) {
	var extents []sparse.Extent
	for _, n := range a.numbers() {
		if e, ok := from(n, a.pages[n]); ok {
			e.Off = n * a.pageSize
			extents = append(extents, e)
		}
	}
	r, err := sparse.NewReader(a.size, extents...)
	if err != nil {
		return nil, fmt.Errorf("format: %s: %w", a.in.Name(), err)
	}
	return r, nil
}

// numbers returns the numbers of the pages in the file that lie in the image, in order.
func (a *affFile) numbers() []int64 {
	out := slices.Sorted(maps.Keys(a.pages))
	end, _ := slices.BinarySearch(out, (a.size+a.pageSize-1)/a.pageSize)
	return out[:end]
}

// want returns how many bytes a page has in the image: the last one may be short.
func (a *affFile) want(n int64) int64 { return min(a.pageSize, a.size-n*a.pageSize) }

// load returns the content of a page.
func (a *affFile) load(i int) ([]byte, error) {
	p, ok := a.pages[int64(i)]
	if !ok {
		return nil, fmt.Errorf("it is not in the file")
	}
	if p.size > 2*a.pageSize+pageSize {
		return nil, fmt.Errorf("it has %d bytes packed, and %d unpacked", p.size, a.pageSize)
	}
	packed, err := readUpTo(a.in, p.at, int(p.size))
	if err != nil {
		return nil, err
	}
	data, err := p.unpack(packed, int(a.pageSize))
	if want := a.want(int64(i)); err == nil && int64(len(data)) > want {
		data = data[:want] // the image was made shorter, and its last page not
	}
	return data, err
}

// unpack returns the content of a page, at most size bytes; packed is the page as it is stored.
func (p affPage) unpack(packed fields, size int) ([]byte, error) {
	if int64(len(packed)) < p.size {
		return nil, fmt.Errorf("it is not all there")
	}
	if p.flags&affCompressed == 0 {
		if len(packed) > size {
			return nil, fmt.Errorf("it has %d bytes, more than a page (%d)", len(packed), size)
		}
		return packed, nil
	}
	var r io.Reader
	var err error
	switch method := p.flags & affMethod; method {
	case affZero:
		if len(packed) != 4 || binary.BigEndian.Uint32(packed) > uint32(size) {
			return nil, fmt.Errorf("the number of its zeros is damaged")
		}
		return make([]byte, binary.BigEndian.Uint32(packed)), nil
	case affZlib:
		r, err = zlib.NewReader(bytes.NewReader(packed))
	case affLZMA:
		r, err = affLZMAReader(packed, size)
	default:
		return nil, fmt.Errorf("it is compressed by a method that is not known (%#x)", method)
	}
	if err != nil {
		return nil, err
	}
	return readAtMost(r, size)
}

// affLZMAReader unpacks at most size bytes, so a dictionary of that size is enough, however large a dictionary the
// header names.
func affLZMAReader(packed fields, size int) (io.Reader, error) {
	if len(packed) < lzma.HeaderLen {
		return nil, fmt.Errorf("it is shorter than its header")
	}
	size = max(size, lzma.MinDictCap)
	head := binary.LittleEndian.AppendUint32(packed[:1:1], uint32(size))
	return lzma.ReaderConfig{DictCap: size}.NewReader(io.MultiReader(bytes.NewReader(head), bytes.NewReader(packed[5:])))
}

// spooled unpacks the pages of the file to a spool file, one behind the other, and returns the image, with holes for
// the pages that could not be unpacked.
func (a *affFile) spooled(b *blocks) (sparse.Source, error) {
	var pages []sparse.Extent
	at := map[int64]int64{} // where a page is in the file
	size := int64(0)
	for _, n := range a.numbers() {
		at[n] = size
		pages = append(pages, sparse.Extent{Off: size, Len: a.want(n), Src: b, SrcOff: n * a.pageSize})
		size += a.want(n)
	}
	there, err := sparse.NewReader(size, pages...)
	if err != nil {
		return nil, fmt.Errorf("format: %s: %w", a.in.Name(), err)
	}
	sum := md5.New()
	counted := &countingReader{src: b, inside: true}
	content, err := a.in.spool("AFF", io.TeeReader(&holesAsZeros{src: there, counted: counted, packed: a.in.Size()}, sum), counted, size)
	if err != nil {
		return nil, err
	}
	sound := 0
	image, err := a.assemble(func(n int64, _ affPage) (sparse.Extent, bool) {
		ok := b.isSound(int(n))
		if ok {
			sound++
		}
		return sparse.Extent{Len: a.want(n), Src: content, SrcOff: at[n]}, ok
	})
	if sound == b.index.count() && slices.ContainsFunc(a.digests, func(d Digest) bool { return d.Algorithm == "MD5" && !bytes.Equal(d.Value, sum.Sum(nil)) }) {
		a.in.doubt("The MD5 of the image is not that which the AFF file says: the image is damaged, and nothing tells where.")
	}
	return image, err
}

// holesAsZeros reads an image from its beginning, with zeros for its holes. It reports progress as the share of the
// file that was read.
type holesAsZeros struct {
	src     sparse.Source
	off     int64
	counted *countingReader
	packed  int64
}

// Read implements [io.Reader].
func (z *holesAsZeros) Read(p []byte) (int, error) {
	size := z.src.Size()
	if z.off >= size {
		return 0, io.EOF
	}
	n, err := sparse.ZeroFill(z.src, nil).ReadAt(p[:min(int64(len(p)), size-z.off)], z.off)
	z.off += int64(n)
	z.counted.n = int64(float64(z.packed) * float64(z.off) / float64(size))
	return n, err
}
