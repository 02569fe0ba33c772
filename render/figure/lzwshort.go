package figure

import (
	"encoding/binary"
	"slices"
)

// shortTable has the codes of strings in short eras, whose codes all have shortBits bits. A string has a place of its
// own, by the code of the string without its last pixel, and that pixel. In the place are the string's own code, and
// above it the age of the era in which it was given.
type shortTable struct {
	age  uint64 // from 1 to shortAges
	code [1 << (shortBits + lzwBits)]uint16
}

const (
	shortBits = lzwBits + 1
	shortAges = 1<<(16-shortBits) - 1
)

// nextEra begins an era.
func (t *shortTable) nextEra() {
	if t.age++; t.age > shortAges {
		t.age = 1
		clear(t.code[:])
	}
}

// shortRoom is how many bytes writeShort may need for so many pixels: it stores whole words.
func shortRoom(pixels int) int { return ceil(pixels*shortBits, 8) + 16 }

// writeShort writes pixels until the era ends, and returns the rest. Nobody can tell in advance where a string ends, and
// a processor that guesses wrong loses more time than a pixel takes. So there is no branch: for each pixel it writes a
// code, which has no bits if the string with the pixel has a code already.
func (w *lzwWriter) writeShort(pixels []uint8) []uint8 {
	const mask = 1<<shortBits - 1
	code, age := &w.short.code, w.short.age<<shortBits
	prefix, last, end := uint64(w.prefix), uint64(w.last), uint64(lzwEnd+w.era)
	word, n := w.word, uint64(w.n)
	out, at := slices.Grow(w.out, shortRoom(len(pixels))), len(w.out)
	out = out[:cap(out)]
	done := 0
	for ; done < len(pixels) && last < end; done++ {
		v := uint64(pixels[done])
		place := &code[prefix&mask<<lzwBits|v]
		known := uint64(*place)
		has := uint64(int64(known&^mask^age-1) >> 63) // all bits, if the string has a code; else none
		last += 1 + has
		*place = uint16(known&has | (age|last)&^has)
		word |= prefix &^ has << (n & 63)
		n += shortBits &^ has
		binary.LittleEndian.PutUint64(out[at:], word)
		at += int(n / 8)
		word >>= n &^ 7 & 63
		n %= 8
		prefix = known&mask&has | v&^has
	}
	w.out, w.word, w.n, w.prefix, w.last = out[:at], word, uint(n), int(prefix), int(last)
	if last == end {
		w.clear()
	}
	return pixels[done:]
}
