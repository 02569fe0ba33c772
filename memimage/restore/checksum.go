package restore

import (
	"encoding/binary"
	"fmt"
	"io"
)

const (
	maxCheckSum = 1 << 24 // bytes of file that are summed up to find a base
	baseUnit    = 1 << 16 // image bases are multiples of it
	sumModulus  = 0xffff  // words are summed with the carry put back
)

// wordSum adds the 16-bit words of a file with the carry put back, as CheckSumMappedFile does,
// the four bytes of the CheckSum itself left out. It reports whether all of them could be read.
func wordSum(r io.ReaderAt, size, field int64) (uint32, bool) {
	b := make([]byte, size+1) // an odd last byte is padded
	if n, _ := r.ReadAt(b[:size], 0); int64(n) != size || field+4 > size {
		return 0, false
	}
	clear(b[field : field+4])
	var sum uint64
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint64(binary.LittleEndian.Uint16(b[i:]))
	}
	for sum > sumModulus {
		sum = sum>>16 + sum&sumModulus
	}
	return uint32(sum), true
}

// baseFromCheckSum looks for a base with which the file has the CheckSum that its header says. It
// takes a whole file: r, in which nothing but the base is missing. r is returned when there is no
// such base.
//
// The sum grows by the same number whenever the base grows by 64 KiB. So it takes two sums to know
// all others, and at most one base below 4 GiB fits when that number is prime to the modulus.
// Linkers' usual bases are tried first: that one of those fits is no chance. An image that cannot
// be moved has no other base than those or its own, and a CheckSum that says else is stale.
func (w *work) baseFromCheckSum(r *Result) (*Result, error) {
	size := r.Reader.Size()
	if !w.checkSumTells(size) || size > maxCheckSum || !r.wholeButForBase() {
		return r, nil
	}
	want := int64(w.h.checkSum) - size
	line, err := w.sumLine()
	if err != nil {
		return nil, err
	}
	for _, base := range append([]uint64{w.h.imageBase}, usualBases(w.h.plus)...) {
		if line.at(base) != want%sumModulus {
			continue
		}
		if try, sum, err := w.withBase(base, "with it, one of the usual, the file has the header's CheckSum"); err != nil || int64(sum) == want {
			return try, err
		}
	}
	if base, ok := line.solve(want); ok && len(w.relocs.slots) > 0 {
		w.doubtful = noteDerived
		if try, sum, err := w.withBase(base, "it alone gives the file the header's CheckSum"); err != nil || int64(sum) == want {
			return try, err
		}
	}
	w.base, w.proof, w.doubtful = 0, "", ""
	return r, nil
}

// checkSumTells reports whether the header's CheckSum can be that of a file of this size: it is a sum of words, which
// is at most sumModulus, and the size. Linkers that are not asked for one leave it 0.
func (w *work) checkSumTells(size int64) bool {
	sum := int64(w.h.checkSum) - size
	return w.h.checkSum != 0 && sum >= 0 && sum <= sumModulus
}

// sumLine measures how the sum depends on the base.
func (w *work) sumLine() (sums, error) {
	const trial = "a trial"
	first := w.h.imageBase &^ (baseUnit - 1)
	_, s0, err := w.withBase(first, trial)
	if err != nil {
		return sums{}, err
	}
	_, s1, err := w.withBase(first+baseUnit, trial)
	return sums{first, int64(s0), (int64(s1) - int64(s0) + sumModulus) % sumModulus}, err
}

// withBase restores with a base, and sums the file.
func (w *work) withBase(base uint64, proof string) (*Result, uint32, error) {
	w.base, w.proof = base, proof
	clear(w.deltas)
	r, err := w.result()
	if err != nil {
		return nil, 0, err
	}
	sum, ok := wordSum(r.Reader, r.Reader.Size(), w.h.checkSumAt)
	if !ok {
		return nil, 0, fmt.Errorf("restore: a page that was there cannot be read")
	}
	return r, sum, nil
}

// wholeButForBase reports whether nothing but the base is in the way of the whole file.
func (r *Result) wholeButForBase() bool {
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.Kind == Missing || row.Written || row.ImportsLeft != 0 || row.RelocationsLeft < 0 {
			return false
		}
	}
	return true
}

// sums says what a file's words sum up to by its base: sum at first, and step more for each 64 KiB.
type sums struct {
	first     uint64
	sum, step int64
}

// at returns the sum, modulo sumModulus, for a base.
func (s sums) at(base uint64) int64 {
	units := (int64(base/baseUnit%sumModulus) - int64(s.first/baseUnit%sumModulus) + sumModulus) % sumModulus
	return (s.sum + units*s.step) % sumModulus
}

// solve returns the base below 4 GiB for a sum, if there is exactly one.
func (s sums) solve(want int64) (uint64, bool) {
	var base uint64
	for b := uint64(baseUnit); b < 1<<32; b += baseUnit {
		if s.at(b) != want%sumModulus {
			continue
		}
		if base != 0 {
			return 0, false
		}
		base = b
	}
	return base, base != 0
}
