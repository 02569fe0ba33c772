package nt

import (
	"encoding/binary"
	"time"
	"unicode/utf16"

	"memlens/memimage/paging"
	"memlens/memimage/profile"
)

// record is a piece of memory that holds a structure, copied out. Members that lie outside it read as zero: the error
// of reading the piece was reported already.
type record struct {
	b       []byte
	pointer int // bytes of a pointer, 4 or 8
}

// u reads an unsigned integer of n bytes.
func (r record) u(off profile.Offset, n int) uint64 {
	if off < 0 || int(off)+n > len(r.b) {
		return 0
	}
	switch n {
	case 4:
		return uint64(binary.LittleEndian.Uint32(r.b[off:]))
	case 8:
		return binary.LittleEndian.Uint64(r.b[off:])
	}
	var b [8]byte
	copy(b[:], r.b[off:int(off)+n])
	return binary.LittleEndian.Uint64(b[:])
}

func (r record) u8(off profile.Offset) uint64  { return r.u(off, 1) }
func (r record) u16(off profile.Offset) uint64 { return r.u(off, 2) }
func (r record) u32(off profile.Offset) uint64 { return r.u(off, 4) }

func (r record) ptr(off profile.Offset) paging.Virt { return paging.Virt(r.u(off, r.pointer)) }

// fastRef reads an _EX_FAST_REF, a pointer with a reference count in its low bits, or a plain pointer.
func (r record) fastRef(f profile.Field) paging.Virt {
	va := r.ptr(profile.Offset(f.Offset))
	if f.Type == "_EX_FAST_REF" {
		return va &^ paging.Virt(2*r.pointer-1)
	}
	return va
}

// field reads an integer or a bit field of up to 8 bytes; false when the kernel does not have it.
func (r record) field(f profile.Field) (uint64, bool) {
	if !f.Present() {
		return 0, false
	}
	return f.Bitfield(r.u(profile.Offset(f.Offset), int(min(max(f.Size, 1), 8)))), true
}

// time reads a _LARGE_INTEGER as a time; false when it is zero or a time that Windows could not have set.
func (r record) time(off profile.Offset) (time.Time, bool) { return fileTime(r.u(off, 8)) }

// fileTime converts 100 ns units since 1601 (FILETIME) to UTC. Years outside 1980…2200 are not taken for times.
func fileTime(v uint64) (time.Time, bool) {
	const unixEpoch = 116444736000000000
	if v < unixEpoch || v > 1<<62 {
		return time.Time{}, false
	}
	v -= unixEpoch
	t := time.Unix(int64(v/1e7), int64(v%1e7)*100).UTC()
	if t.Year() < 1980 || t.Year() > 2200 {
		return time.Time{}, false
	}
	return t, true
}

// memory reads structures from an address space.
type memory struct {
	space   *paging.Space
	pointer int
}

// record copies n bytes at va. On an error it holds the bytes up to the gap.
func (m memory) record(va paging.Virt, n int) (record, error) {
	b := make([]byte, n)
	got, err := m.space.ReadVirt(b, va)
	return record{b[:got], m.pointer}, err
}

// sparseRecord copies n bytes at va, zeros where they cannot be read; the error is from the first gap.
func (m memory) sparseRecord(va paging.Virt, n int) (record, error) {
	b := make([]byte, n)
	var first error
	for done := 0; done < n; {
		got, err := m.space.ReadVirt(b[done:], va+paging.Virt(done))
		done += got
		if err == nil {
			break
		}
		if first == nil {
			first = err
		}
		next := (va + paging.Virt(done) + 0x1000) &^ 0xfff
		done = int(next - va)
	}
	return record{b, m.pointer}, first
}

func (m memory) ptr(va paging.Virt) (paging.Virt, error) {
	r, err := m.record(va, m.pointer)
	return r.ptr(0), err
}

func (m memory) u32(va paging.Virt) (uint64, error) {
	r, err := m.record(va, 4)
	return r.u32(0), err
}

// maxString bounds a _UNICODE_STRING in bytes: its length is a 16-bit number.
const maxString = 0xffff

// unicodeString reads a _UNICODE_STRING. An odd length is cut; unpaired surrogates become U+FFFD.
func (m memory) unicodeString(va paging.Virt, l *layout) (string, error) {
	head, err := m.record(va, int(l.String.Buffer)+m.pointer)
	if err != nil {
		return "", err
	}
	n := int(head.u16(l.String.Length)) &^ 1
	if n == 0 {
		return "", nil
	}
	return m.utf16(head.ptr(l.String.Buffer), n)
}

func (m memory) utf16(va paging.Virt, n int) (string, error) {
	text, err := m.record(va, min(n, maxString&^1))
	if err != nil {
		return "", err
	}
	units := make([]uint16, len(text.b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(text.b[2*i:])
	}
	return string(utf16.Decode(units)), nil
}
