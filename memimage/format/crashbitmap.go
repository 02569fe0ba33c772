package format

import (
	"fmt"
	"io"
	"math/bits"

	"memlens/memimage/sparse"
)

const (
	// maxBitmapBits bounds the page bitmap of a dump: 8 TiB of memory.
	maxBitmapBits = 1 << 31
	// bitmapChunk is how many bytes of it are read at a time.
	bitmapChunk = 64 << 10
)

// pageBitmap is a bitmap in a file that says which pages are in the file: bit n stands for page n. The pages whose
// bits are set lie one behind the other from the offset data on.
type pageBitmap struct {
	at    uint64 // offset of the bitmap in the file
	bits  uint64
	pages uint64 // bits that are set, as the header says
	data  uint64 // offset of the first page
}

// placeSelected lays a dump of chosen pages out, which has a bitmap or a list of ranges behind its header.
func (d *crashDump) placeSelected(l *layout) error {
	f, err := readUpTo(d, int64(d.headerSize), 0x40)
	switch {
	case err != nil:
		return err
	case f.has(4, "RDMPDUMP"):
		return d.placeRanges(l, f)
	case f.has(0, "SDMP"), f.has(0, "FDMP"):
		return d.placeBitmap(l, f)
	case len(f) < 0x38:
		d.cutBefore(d.promised(uint64(d.headerSize)+0x38), "before the list of its pages")
	}
	return fmt.Errorf("format: %s is a crash dump of chosen pages without the list of them: at %#x there is %q in place of SDMP, FDMP or RDMP", d.Name(), d.headerSize, f.at(0, 4))
}

// placeBitmap lays a dump out by the bitmap behind its header. Two generations of it exist. Only this tells them
// apart: the numbers in the header must agree with each other. the newer one of Windows 8 (offset of the data at
// 0x20, set bits at 0x28, bits at 0x30, bitmap at 0x38), and the older _SUMMARY_DUMP (0xc, 0x14, 0x10, and the bitmap
// behind an RTL_BITMAP).
func (d *crashDump) placeBitmap(l *layout, f fields) error {
	base := uint64(d.headerSize)
	older := base + 0x20
	if d.word == 8 {
		older = base + 0x28
	}
	candidates := []pageBitmap{
		{at: base + 0x38, bits: f.u64(0x30), pages: f.u64(0x28), data: f.u64(0x20)},
		{at: older, bits: uint64(f.u32(0x10)), pages: uint64(f.u32(0x14)), data: uint64(f.u32(0x0c))},
	}
	best := -1
	for i, c := range candidates {
		if !c.sound(uint64(d.Size())) {
			continue
		}
		if n, err := c.count(d); err == nil && n == c.pages {
			best = i
			break
		}
		if best < 0 {
			best = i
		}
	}
	if best < 0 {
		return fmt.Errorf("format: %s: neither form of the page bitmap at %#x has numbers that can be true: it is damaged", d.Name(), base)
	}
	return candidates[best].place(d.input, l)
}

// sound reports whether the numbers of the bitmap can be true in a file of that size.
func (b pageBitmap) sound(size uint64) bool {
	return b.bits > 0 && b.bits <= maxBitmapBits && b.at < size &&
		b.data >= b.at && b.data-b.at >= min(b.bits/8, size-b.at) && b.data < maxPhysical && b.pages <= b.bits
}

// words calls each with the bitmap in pieces of 64 bits, the last filled up with zeros, as far as it can be read.
func (b pageBitmap) words(src io.ReaderAt, each func(first uint64, word uint64)) (read uint64, err error) {
	for read < b.bits {
		want := min((b.bits-read+7)/8, bitmapChunk)
		chunk, err := readUpTo(src, int64(b.at+read/8), int(want))
		if err != nil {
			return read, err
		}
		have := len(chunk)
		chunk = append(chunk, make([]byte, 8)...)
		for i := 0; i < have; i += 8 {
			w := chunk.u64(i)
			if rest := b.bits - read - uint64(i)*8; rest < 64 {
				w &= 1<<rest - 1
			}
			each(read+uint64(i)*8, w)
		}
		read += uint64(have) * 8
		if uint64(have) < want {
			return read, nil
		}
	}
	return read, nil
}

// count returns how many bits are set.
func (b pageBitmap) count(src io.ReaderAt) (uint64, error) {
	var n uint64
	_, err := b.words(src, func(_, w uint64) { n += uint64(bits.OnesCount64(w)) })
	return n, err
}

// place lays the pages out, and notes where the file does not have the pages that the bitmap promises.
func (b pageBitmap) place(in *input, l *layout) error {
	var found, start, length uint64 // the run that is open
	var rest uint64                 // the first page that did not fit into the layout
	flush := func() {
		if l.full() && rest == 0 {
			rest = start
		} else if rest == 0 {
			l.add(start*pageSize, length*pageSize, b.data+(found-length)*pageSize)
		}
		length = 0
	}
	read, err := b.words(in, func(first, w uint64) {
		for w != 0 {
			low := uint64(bits.TrailingZeros64(w))
			ones := uint64(bits.TrailingZeros64(^(w >> low)))
			if page := first + low; length > 0 && start+length != page {
				flush()
				start = page
			} else if length == 0 {
				start = page
			}
			length += ones
			found += ones
			if low+ones >= 64 {
				break
			}
			w &^= 1<<(low+ones) - 1
		}
	})
	flush()
	if err != nil {
		return fmt.Errorf("format: %s: the page bitmap: %w", in.Name(), err)
	}
	if rest > 0 {
		if err := b.placeRest(in, l, rest); err != nil {
			return err
		}
	}
	if read < b.bits {
		in.cutBefore(b.data+b.pages*pageSize, "within its page bitmap")
		in.note("The file ends within its page bitmap: what pages above %#x hold is not known.", read*pageSize)
	}
	if found != b.pages {
		in.doubt("The header says that the dump has %d pages, its bitmap says %d: the header or the bitmap is damaged, and pages may be misplaced.", b.pages, found)
	}
	return nil
}

// placeRest lays the pages from one on out without a list of their runs.
func (b pageBitmap) placeRest(in *input, l *layout, page uint64) error {
	r, err := newBitmapReader(in, b, l.src, l.srcSize)
	if err != nil {
		return fmt.Errorf("format: %s: the page bitmap: %w", in.Name(), err)
	}
	l.extents = append(l.extents, sparse.Extent{Off: int64(page * pageSize), Len: int64((r.b.bits - page) * pageSize), Src: r, SrcOff: int64(page * pageSize)})
	l.size = max(l.size, r.b.bits*pageSize)
	return nil
}

// promised returns how many bytes the dump should have: the number in RequiredDumpSpace of its header, or least if
// that is more.
func (d *crashDump) promised(least uint64) uint64 {
	const requiredDumpSpace = 0xfa0 // in both headers
	if n := d.head.u64(requiredDumpSpace); n <= maxMissing {
		return max(n, least)
	}
	return least
}

// eachRecord calls each with the records of that size between two offsets of src until it returns false.
func eachRecord(src io.ReaderAt, from, to int64, size int, each func(fields) bool) error {
	per := bitmapChunk / size * size
	for from < to {
		chunk, err := readUpTo(src, from, int(min(to-from, int64(per))))
		if err != nil {
			return err
		}
		for at := 0; at+size <= len(chunk); at += size {
			if !each(chunk[at : at+size]) {
				return nil
			}
		}
		if len(chunk) < per {
			return nil
		}
		from += int64(len(chunk))
	}
	return nil
}
