package restore

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"memlens/memimage/sparse"
)

const (
	maxCheckSum = 1 << 24 // bytes of file that are summed up to test a base
	sumModulus  = 0xffff  // words are summed with the carry put back
)

// wordSum adds the 16-bit words of a file with the carry put back, as CheckSumMappedFile does, without the four bytes
// of the CheckSum itself. It reports false where a byte is missing. Its error is from a failing source.
func wordSum(r io.ReaderAt, size, field int64) (sum uint32, whole bool, err error) {
	b := make([]byte, size+1) // an odd last byte is padded
	n, err := r.ReadAt(b[:size], 0)
	if int64(n) < size && !sparse.IsHole(err) {
		return 0, false, fmt.Errorf("restore: summing the file up: %w", err)
	}
	if int64(n) < size || field+4 > size {
		return 0, false, nil
	}
	clear(b[field : field+4])
	var all uint64
	for i := 0; i+1 < len(b); i += 2 {
		all += uint64(binary.LittleEndian.Uint16(b[i:]))
	}
	for all > sumModulus {
		all = all>>16 + all&sumModulus
	}
	return uint32(all), true, nil
}

// checkBase checks an assumed base with the header's CheckSum. This needs the whole file, without bytes that a loader
// or a process has written: otherwise the sum says nothing. r is the file with the base assumed so far.
//
// The sum has 16 bits, and grows by the same number whenever the base grows by 64 KiB. So for every sum there is a
// base below 4 GiB that fits: the CheckSum cannot find a base, it can only choose among the few usual ones. Its
// choice stays assumed, because one sum in 65,535 fits by chance, with each base that is tried. When none fits, the
// CheckSum is stale or the base is no usual one: then the linkers' default is not assumed against the file's own
// data.
func (w *work) checkBase(r *Result) (*Result, error) {
	size := r.Reader.Size()
	if w.certainty == Exact || w.known() && w.evidence < NotDynamic || size > maxCheckSum || !w.checkSumTells(size) || !w.wholeButForBase(r) {
		return r, nil
	}
	before := w.finding
	bases, others, err := w.basesThatFit(size)
	if err != nil || others < 0 {
		w.finding = before
		return r, err
	}
	clear(w.deltas)
	switch w.finding = before; {
	case len(bases) == 1:
		w.finding = w.assumed(bases[0], CheckSum, fmt.Sprintf("of %d usual bases, with this one alone the file has the header's CheckSum", len(w.candidates())))
		w.others = uint64(others)
	case slices.Contains(bases, before.base) || before.evidence != LinkerDefault: // one of several, or no default
		return w.result()
	default:
		w.finding = unknown(fmt.Sprintf("the file has the header's CheckSum with none of %d usual bases", len(w.candidates())))
	}
	return w.result()
}

// candidates are the bases that are tried with the CheckSum.
func (w *work) candidates() []uint64 {
	usual := w.h.usualBases()
	for _, base := range []uint64{w.h.imageBase, w.base} {
		if base%baseUnit == 0 && base != 0 && !slices.Contains(usual, base) {
			usual = append(usual, base)
		}
	}
	return usual
}

// basesThatFit returns the candidates with which the file has the header's CheckSum, and how many other bases fit as
// well; -1 when the file cannot be summed up.
func (w *work) basesThatFit(size int64) (fit []uint64, others int64, err error) {
	want := (int64(w.h.checkSum) - size) % sumModulus
	candidates := w.candidates()
	line, whole, err := w.sumLine()
	if err != nil || !whole {
		return nil, -1, err
	}
	for _, base := range candidates {
		if line.at(base) == want {
			fit = append(fit, base)
		}
	}
	for unit := range uint64(sumModulus) {
		if line.at(unit*baseUnit) == want {
			others++
		}
	}
	if n := int64(w.possibleBases() / sumModulus); n > 1 {
		others *= n
	}
	return fit, max(0, others-1), nil
}

// checkSumTells reports whether the header's CheckSum is possible for a file of this size: it is a sum of words,
// which is at most sumModulus, and the size. Linkers leave it 0 by default.
func (w *work) checkSumTells(size int64) bool {
	sum := int64(w.h.checkSum) - size
	return w.h.checkSum != 0 && sum >= 0 && sum <= sumModulus
}

// wholeButForBase reports whether all of the file is present, its certificates included, from pages that no process
// has written to, and that a loader has changed only by the base.
func (w *work) wholeButForBase(r *Result) bool {
	if c := w.h.directories[dirCert]; c.size != 0 && int64(c.rva)+int64(c.size) > r.Reader.Size() {
		return false
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.Kind > Mapped || row.Certainty() == Left {
			return false
		}
	}
	return true
}

// sums says how the sum of a file's words depends on its base: sum at first, and step more for each 64 KiB.
type sums struct {
	first     uint64
	sum, step int64
}

// at returns the sum, modulo sumModulus, for a base.
func (s sums) at(base uint64) int64 {
	units := (int64(base/baseUnit%sumModulus) - int64(s.first/baseUnit%sumModulus) + sumModulus) % sumModulus
	return (s.sum + units*s.step) % sumModulus
}

// sumLine measures how the sum depends on the base. It reports false where the file is not whole.
func (w *work) sumLine() (line sums, whole bool, err error) {
	var s [2]int64
	first := w.h.imageBase &^ (baseUnit - 1)
	for i := range s {
		var sum uint32
		if sum, whole, err = w.sumWith(first + uint64(i)*baseUnit); err != nil || !whole {
			return sums{}, false, err
		}
		s[i] = int64(sum)
	}
	return sums{first, s[0], (s[1] - s[0] + sumModulus) % sumModulus}, true, nil
}

// sumWith restores the file with a base, and sums it up.
func (w *work) sumWith(base uint64) (sum uint32, whole bool, err error) {
	w.finding = w.assumed(base, CheckSum, "a trial")
	clear(w.deltas)
	r, err := w.result()
	if err != nil {
		return 0, false, err
	}
	return wordSum(r.Reader, r.Reader.Size(), w.h.checkSumAt)
}
