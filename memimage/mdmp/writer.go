package mdmp

import (
	"encoding/binary"
	"errors"
	"math"
	"unicode/utf16"
)

// writer builds the part of the file in front of the memory. Structures are laid out one after the other; an offset in it is
// an RVA of the file.
type writer struct{ b []byte }

// alignment of streams, and of the data that they point to, in bytes.
const alignment = 8

// room makes room for n bytes of zeros, aligned, and returns its place.
func (w *writer) room(n int) int {
	at := (len(w.b) + alignment - 1) &^ (alignment - 1)
	w.b = append(w.b, make([]byte, at+n-len(w.b))...)
	return at
}

func (w *writer) u16(at int, v uint16) { binary.LittleEndian.PutUint16(w.b[at:], v) }
func (w *writer) u32(at int, v uint32) { binary.LittleEndian.PutUint32(w.b[at:], v) }
func (w *writer) u64(at int, v uint64) { binary.LittleEndian.PutUint64(w.b[at:], v) }

// u32s writes numbers one after the other.
func (w *writer) u32s(at int, values ...uint32) {
	for i, v := range values {
		w.u32(at+4*i, v)
	}
}

// bytes adds bytes and writes their MINIDUMP_LOCATION_DESCRIPTOR at a place. It does nothing if p is empty.
func (w *writer) bytes(location int, p []byte) {
	if len(p) == 0 {
		return
	}
	at := w.room(len(p))
	copy(w.b[at:], p)
	w.u32s(location, uint32(len(p)), uint32(at))
}

// text adds a MINIDUMP_STRING, whose length is in bytes and does not count the NUL at its end, and returns its place.
func (w *writer) text(s string) uint32 {
	units := utf16Bytes(s)
	at := w.room(4 + len(units))
	w.u32(at, uint32(len(units)-2))
	copy(w.b[at+4:], units)
	return uint32(at)
}

// utf16Bytes writes a text in UTF-16 with a NUL at its end.
func utf16Bytes(s string) []byte {
	out := make([]byte, 0, 2*len(s)+2)
	var units [2]uint16
	for _, r := range s {
		for _, unit := range utf16.AppendRune(units[:0], r) {
			out = binary.LittleEndian.AppendUint16(out, unit)
		}
	}
	return append(out, 0, 0)
}

// errTooLarge says that the tables do not fit in front of the memory.
var errTooLarge = errors.New("mdmp: the tables of the dump have more than 4 GiB")

// check is an error when offsets do not fit in an RVA.
func (w *writer) check() error {
	if len(w.b) > math.MaxInt32 {
		return errTooLarge
	}
	return nil
}
