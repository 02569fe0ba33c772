package minidump

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf16"

	"memlens/memimage/sparse"
)

// reader reads a file, keeps the first error of a read that failed, and remembers how far the file should reach.
type reader struct {
	src    sparse.Source
	size   uint64
	failed error
	notes  []string
	end    uint64 // the size that the file should have, if that is more than it has
	text   int    // bytes of all strings so far

	infos map[uint32]threadInfo
	names map[uint32]string
}

// note adds a sentence about damage.
func (r *reader) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// reach remembers that the file should reach up to end.
func (r *reader) reach(end uint64) {
	if end > r.size {
		r.end = max(r.end, end)
	}
}

// promised returns the size that the file should have; 0: that which it has.
func (r *reader) promised() uint64 { return r.end }

// at returns the n bytes at off, fewer if the file ends or has a hole.
func (r *reader) at(off uint64, n int) fields {
	if off >= r.size || n <= 0 || r.failed != nil {
		return nil
	}
	b := make([]byte, min(uint64(n), r.size-off))
	got, err := r.src.ReadAt(b, int64(off))
	if got < len(b) && !errors.Is(err, io.EOF) && !sparse.IsHole(err) {
		r.failed = fmt.Errorf("minidump: reading at %#x: %w", off, err)
		return nil
	}
	return b[:got]
}

// atOnce is how many bytes of a list are read at a time.
const atOnce = 1 << 20

// each calls f for each of the entries of a list, of size bytes each, the first at off, as far as end and the file
// reach. It returns how many there were. f returns false to end the reading.
func (r *reader) each(off, end uint64, count uint64, size int, f func(fields) bool) (n uint64) {
	end = min(end, r.size)
	for n < count && off < end {
		b := r.at(off, int(min(atOnce/uint64(size)*uint64(size), end-off)))
		if len(b) < size {
			break
		}
		for ; len(b) >= size && n < count; b = b[size:] {
			if !f(b[:size]) {
				return n
			}
			n++
			off += uint64(size)
		}
	}
	return n
}

// list calls f for each entry of the list of a stream, whose entries begin at an offset in it; it calls f at most
// most times. It notes if the stream has fewer entries than it claims.
func (r *reader) list(s Stream, at uint64, count uint64, size int, most uint64, f func(fields)) {
	n := r.each(s.Off+at, s.Off+s.Size, min(count, most), size, func(b fields) bool { f(b); return true })
	switch {
	case n < min(count, most):
		r.note("The %s claims %d entries, and has %d.", s.Name(), count, n)
	case n < count:
		r.note("The %s claims %d entries: only the first %d are taken.", s.Name(), count, n)
	}
}

// Bounds on strings.
const (
	maxString = 64 << 10 // bytes of one
	maxText   = 32 << 20 // of all
)

// string reads a MINIDUMP_STRING: its length in bytes, and UTF-16. A string that cannot be read is empty.
func (r *reader) string(rva uint64) string {
	if rva == 0 || r.text > maxText {
		return ""
	}
	n := r.at(rva, 4)
	if len(n) < 4 || n.u32(0) > maxString {
		return ""
	}
	b := r.at(rva+4, int(n.u32(0)))
	if len(b) < int(n.u32(0)) {
		r.reach(rva + 4 + uint64(n.u32(0)))
		return ""
	}
	r.text += len(b)
	return utf16Text(b)
}

// utf16Text reads UTF-16 up to its end or a NUL.
func utf16Text(b fields) string {
	units := make([]uint16, 0, len(b)/2)
	for i := 0; i+2 <= len(b); i += 2 {
		c := b.u16(i)
		if c == 0 {
			break
		}
		units = append(units, c)
	}
	return string(utf16.Decode(units))
}

// fields reads little-endian numbers at byte offsets of a structure. Fields behind its end read as zero, as in a
// structure of an older version that lacks the field.
type fields []byte

// part returns the n bytes at off, or nil when they are not all there.
func (f fields) part(off, n int) fields {
	if off < 0 || n < 0 || off > len(f) || n > len(f)-off {
		return nil
	}
	return f[off : off+n]
}

func (f fields) u8(off int) uint8 {
	if b := f.part(off, 1); b != nil {
		return b[0]
	}
	return 0
}

func (f fields) u16(off int) uint16 {
	if b := f.part(off, 2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (f fields) u32(off int) uint32 {
	if b := f.part(off, 4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (f fields) u64(off int) uint64 {
	if b := f.part(off, 8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}
