package volume

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/Microsoft/go-winio/wim/lzx"
	lru "github.com/hashicorp/golang-lru/v2"

	"memlens/memimage/rescue"
	"memlens/memimage/xpress"
)

// wofStream is the name of the data of a file that WOF has compressed. The data without a name is as large as the file, and
// holds nothing.
const wofStream = "WofCompressedData"

// wofFormats are the algorithms of FILE_PROVIDER_EXTERNAL_INFO_V1.
var wofFormats = [...]struct {
	name   string
	chunk  int64
	unpack func(src []byte, size int) ([]byte, error)
}{
	{"XPRESS4K", 4 << 10, xpress.Huffman},
	{"LZX", 32 << 10, unpackLZX},
	{"XPRESS8K", 8 << 10, xpress.Huffman},
	{"XPRESS16K", 16 << 10, xpress.Huffman},
}

// wofFile is a file that WOF ("compact /exe", CompactOS) has compressed: chunks, behind a table with the offsets of
// all chunks but the first.
type wofFile struct {
	packed *stream
	size   int64
	format int
	chunks int64
	kept   *lru.Cache[int64, []byte] // unpacked chunks, if the file is open
}

// wof returns the content of a file whose reparse point has the tag of WOF and this data.
func (v *ntfs) wof(ctx context.Context, r *record, data []byte, size int64) (*wofFile, error) {
	const wim, file = 1, 2
	if len(data) < 16 {
		return nil, damaged("a reparse point of WOF has %d bytes", len(data))
	}
	field := func(i int) uint32 { return binary.LittleEndian.Uint32(data[4*i:]) }
	switch version, provider, fileVersion, format := field(0), field(1), field(2), field(3); {
	case version != 1 || provider != wim && provider != file:
		return nil, &UnreadableError{Why: fmt.Sprintf("it is compressed by WOF in a way that is not known (version %d, provider %d)", version, provider)}
	case provider == wim:
		return nil, &UnreadableError{Why: "its bytes are in a WIM file (WOF, WIMBoot)"}
	case fileVersion != 1 || format >= uint32(len(wofFormats)):
		return nil, &UnreadableError{Why: fmt.Sprintf("it is compressed by WOF in a way that is not known (version %d, algorithm %d)", fileVersion, format)}
	}
	pieces, err := v.attributes(ctx, r, typeData, wofStream)
	if err != nil {
		return nil, err
	}
	if len(pieces) == 0 {
		return nil, damaged("a file that is compressed by WOF has no %s", wofStream)
	}
	packed, err := v.stream(pieces)
	if err != nil {
		return nil, err
	}
	f := &wofFile{packed: packed, size: size, format: int(field(3))}
	chunk := wofFormats[f.format].chunk
	f.chunks = size/chunk + min(size%chunk, 1)
	if f.chunks > 0 && (f.chunks-1)*f.entry() > packed.size {
		return nil, damaged("a file of %d bytes is compressed by WOF to %d", size, packed.size)
	}
	return f, nil
}

// bytes implements [packing].
func (f *wofFile) bytes() int64 { return f.size }

// opened implements [packing].
func (f *wofFile) opened() io.ReaderAt {
	out := *f
	out.kept, _ = lru.New[int64, []byte](keptUnits) // fails only for a size of 0
	return &out
}

// entry returns the bytes of an entry of the table.
func (f *wofFile) entry() int64 {
	if f.size > 1<<32-1 {
		return 8
	}
	return 4
}

// ReadAt implements [io.ReaderAt].
func (f *wofFile) ReadAt(p []byte, off int64) (int, error) {
	done, chunk := 0, wofFormats[f.format].chunk
	for done < len(p) {
		if off < 0 || off >= f.size {
			return done, io.EOF
		}
		b, err := f.unpacked(off / chunk)
		if err != nil {
			return done, err
		}
		n := copy(p[done:], b[off%chunk:])
		done += n
		off += int64(n)
	}
	return done, nil
}

// unpacked returns a chunk. A chunk that did not become smaller is not packed.
func (f *wofFile) unpacked(i int64) ([]byte, error) {
	if b, ok := f.kept.Get(i); ok {
		return b, nil
	}
	format := wofFormats[f.format]
	size := min(format.chunk, f.size-i*format.chunk)
	from, to, err := f.place(i)
	if err != nil {
		return nil, err
	}
	if from < 0 || to <= from || to-from > size {
		return nil, damaged("chunk %d of a file that is compressed by WOF is at %d to %d", i, from, to)
	}
	b, err := read(f.packed, from, to-from)
	if err != nil {
		return nil, err
	}
	if to-from < size {
		if b, err = format.unpack(b, int(size)); err != nil {
			return nil, fmt.Errorf("volume: chunk %d of a file that is compressed by WOF (%s): %w", i, format.name, err)
		}
	}
	f.kept.Add(i, b)
	return b, nil
}

// place returns where in the packed data a chunk begins and ends.
func (f *wofFile) place(i int64) (from, to int64, err error) {
	n := f.entry()
	table := (f.chunks - 1) * n
	from, to = table, f.packed.size
	if i > 0 {
		if from, err = f.number((i-1)*n, n); err != nil {
			return 0, 0, err
		}
		from += table
	}
	if i < f.chunks-1 {
		if to, err = f.number(i*n, n); err != nil {
			return 0, 0, err
		}
		to += table
	}
	if to > f.packed.size {
		return 0, 0, damaged("chunk %d of a file that is compressed by WOF ends at %d of %d bytes", i, to, f.packed.size)
	}
	return from, to, nil
}

func (f *wofFile) number(off, n int64) (int64, error) {
	b, err := read(f.packed, off, n)
	if err != nil {
		return 0, err
	}
	if n == 4 {
		return int64(binary.LittleEndian.Uint32(b)), nil
	}
	return int64(binary.LittleEndian.Uint64(b) & (1<<62 - 1)), nil
}

// unpackLZX unpacks a chunk of LZX data in the form of WIM files. The library panics on some damaged data.
func unpackLZX(src []byte, size int) (out []byte, err error) {
	err = rescue.Call(func() error {
		r, err := lzx.NewReader(bytes.NewReader(src), size)
		if err != nil {
			return err
		}
		out = make([]byte, size)
		_, err = io.ReadFull(r, out)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: LZX", xpress.ErrDamaged)
	}
	return out, nil
}
