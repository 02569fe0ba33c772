package figure

import "encoding/binary"

// bitWriter appends bits to out, from the lowest of each byte up.
type bitWriter struct {
	out  []byte
	word uint64
	n    uint // bits in word
}

// put appends the lowest n bits of v, at most 32; the bits above must be zeros.
func (w *bitWriter) put(v uint64, n uint) {
	w.word |= v << w.n
	if w.n += n; w.n >= 32 {
		w.out = binary.LittleEndian.AppendUint32(w.out, uint32(w.word))
		w.word, w.n = w.word>>32, w.n-32
	}
}

// flush fills the last byte with zeros and returns all.
func (w *bitWriter) flush() []byte {
	for ; w.n > 0; w.n -= min(w.n, 8) {
		w.out = append(w.out, byte(w.word))
		w.word >>= 8
	}
	return w.out
}

// ceil divides and rounds up.
func ceil(n, by int) int { return (n + by - 1) / by }
