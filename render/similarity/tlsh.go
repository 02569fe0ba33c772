package similarity

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// Sizes of TLSH's digests, with 128 buckets and a checksum of a byte.
const (
	tlshBuckets = 128
	tlshCode    = tlshBuckets / 4 // bytes, of four buckets each
	tlshMinSize = 256             // of a file
	tlshMaxSize = 1<<32 - 1
)

// ErrTooUniform is in the chain of the error for data that are too short or too monotonous for a TLSH digest.
var ErrTooUniform = errors.New("too little data, or too uniform")

// TLSH returns the locality sensitive hash of size bytes of data, as tlsh prints it: "T1" and 70 hexadecimal digits.
// There is none below 256 bytes, and none for data with little variety ([ErrTooUniform]). Errors of the data pass
// through.
func TLSH(data io.ReaderAt, size int64) (string, error) {
	if !canTLSH(size) {
		return "", fmt.Errorf("similarity: TLSH of %d bytes: from %d to %d can be digested: %w", size, tlshMinSize, int64(tlshMaxSize), ErrTooUniform)
	}
	var s tlshState
	if err := Feed(&s, data, size); err != nil {
		return "", err
	}
	d, ok := s.digest(size)
	if !ok {
		return "", fmt.Errorf("similarity: TLSH: %w", ErrTooUniform)
	}
	return d.String(), nil
}

func canTLSH(size int64) bool { return size >= tlshMinSize && size <= tlshMaxSize }

// tlshState counts triplets of bytes by their hash. The triplets of each salt have their own counts, so that one
// count does not wait for another.
type tlshState struct {
	window   [4]uint8 // the last bytes, the latest first
	filled   int      // how many bytes are in window
	checksum uint8
	count    [len(salts)][256]uint32 // by the salt and the hash before its last step, which is the same for all
}

// salts are the salts for the triplets of the latest byte and two of the four bytes before it; the checksum's salt is
// 0.
var salts = [...]uint8{2, 3, 5, 7, 11, 13}

// saltTables have Pearson's hash of a salt and a byte, by the byte.
type saltTables struct {
	of       [len(salts)][256]uint8
	checksum [256]uint8
}

var newSaltTables = sync.OnceValue(func() *saltTables {
	t := new(saltTables)
	for a := range 256 {
		for i, salt := range salts {
			t.of[i][a] = pearson[pearson[salt]^uint8(a)]
		}
		t.checksum[a] = pearson[pearson[0]^uint8(a)]
	}
	return t
})

// Take implements [Taker].
func (s *tlshState) Take(p []byte) {
	for ; s.filled < len(s.window) && len(p) > 0; p = p[1:] {
		s.window = [4]uint8{p[0], s.window[0], s.window[1], s.window[2]}
		s.filled++
	}
	t, count, sum := newSaltTables(), &s.count, s.checksum
	b, c, d, e := s.window[0], s.window[1], s.window[2], s.window[3]
	for _, a := range p {
		sum = pearson[pearson[t.checksum[a]^b]^sum]
		count[0][pearson[t.of[0][a]^b]^c]++
		count[1][pearson[t.of[1][a]^b]^d]++
		count[2][pearson[t.of[2][a]^c]^d]++
		count[3][pearson[t.of[3][a]^c]^e]++
		count[4][pearson[t.of[4][a]^b]^e]++
		count[5][pearson[t.of[5][a]^d]^e]++
		b, c, d, e = a, b, c, d
	}
	s.checksum, s.window = sum, [4]uint8{b, c, d, e}
}

// TakeZeros takes n zeros. When the window is full of zeros, each further zero counts in the same buckets, and the
// checksums repeat.
func (s *tlshState) TakeZeros(n int64) {
	full := min(n, int64(len(s.window)))
	s.Take(noughts[:full])
	if n -= full; n == 0 {
		return
	}
	for i, salt := range salts {
		s.count[i][beforeLast(salt, 0, 0, 0)] += uint32(n)
	}
	s.checksum = checksumOfZeros(s.checksum, n)
}

// checksumOfZeros returns the checksum after n more zeros. A zero permutes the checksums, so every checksum comes
// back to itself.
func checksumOfZeros(sum uint8, n int64) uint8 {
	period := int64(1)
	for c := triplet(0, 0, 0, sum); c != sum; c = triplet(0, 0, 0, c) {
		period++
	}
	for range n % period {
		sum = triplet(0, 0, 0, sum)
	}
	return sum
}

// triplet is Pearson's hash of a salt and three bytes.
func triplet(salt, a, b, c uint8) uint8 { return pearson[beforeLast(salt, a, b, c)] }

// beforeLast is triplet before its last step.
func beforeLast(salt, a, b, c uint8) uint8 { return pearson[pearson[pearson[salt]^a]^b] ^ c }

// buckets are the triplets by their hash. The first tlshBuckets hashes count.
func (s *tlshState) buckets() (out [256]uint32) {
	for i := range s.count {
		for hash, n := range s.count[i] {
			out[pearson[hash]] += n
		}
	}
	return out
}

// digest sums up; there is no digest if less than half of the buckets are
// used.
func (s *tlshState) digest(size int64) (d tlshDigest, ok bool) {
	bucket := s.buckets()
	sorted := bucket
	slices.Sort(sorted[:tlshBuckets])
	q1, q2, q3 := sorted[tlshBuckets/4-1], sorted[tlshBuckets/2-1], sorted[tlshBuckets*3/4-1]
	if q2 == 0 {
		return d, false
	}
	d.checksum = s.checksum
	d.length = lengthClass(size)
	d.ratio1, d.ratio2 = quartileRatio(q1, q3), quartileRatio(q2, q3)
	for i, n := range bucket[:tlshBuckets] {
		var quartile uint8
		for _, q := range []uint32{q1, q2, q3} {
			if n > q {
				quartile++
			}
		}
		d.code[i/4] |= quartile << (i % 4 * 2)
	}
	return d, true
}

func lengthClass(size int64) uint8 {
	i, _ := slices.BinarySearch(lengthTops[:], size)
	return uint8(i)
}

// quartileRatio is 100 q / q3 modulo 16, worked out as tlsh does: in words
// and numbers of 32 bits.
func quartileRatio(q, q3 uint32) uint8 {
	return uint8(uint32(float32(q*100)/float32(q3)) % 16)
}

// tlshDigest is a digest taken apart.
type tlshDigest struct {
	checksum       uint8
	length         uint8
	ratio1, ratio2 uint8           // of 4 bits
	code           [tlshCode]uint8 // quartile of each bucket, four to a byte
}

// String returns the digest as text: the half bytes of its head swapped, its
// code from the end.
func (d *tlshDigest) String() string {
	raw := []byte{d.checksum<<4 | d.checksum>>4, d.length<<4 | d.length>>4, d.ratio1<<4 | d.ratio2}
	for i := range d.code {
		raw = append(raw, d.code[tlshCode-1-i])
	}
	return "T1" + strings.ToUpper(hex.EncodeToString(raw))
}

func parseTLSH(s string) (d tlshDigest, err error) {
	raw, err := hex.DecodeString(strings.TrimPrefix(s, "T1"))
	if err != nil || len(raw) != 3+tlshCode {
		return d, fmt.Errorf("similarity: TLSH %.80q: %w", s, ErrDigest)
	}
	d.checksum, d.length = raw[0]<<4|raw[0]>>4, raw[1]<<4|raw[1]>>4
	d.ratio1, d.ratio2 = raw[2]>>4, raw[2]&15
	for i := range d.code {
		d.code[i] = raw[3+tlshCode-1-i]
	}
	return d, nil
}

// TLSHDistance returns how far the files of two TLSH digests are apart, as tlsh says: 0 for similar files, more than
// some 150 for files that have nothing to do with each other. "T1" may be missing.
func TLSHDistance(a, b string) (int, error) {
	p, err := parseTLSH(a)
	if err != nil {
		return 0, err
	}
	q, err := parseTLSH(b)
	if err != nil {
		return 0, err
	}
	distance := 0
	if p.checksum != q.checksum {
		distance = 1
	}
	if n := around(p.length, q.length, 256); n <= 1 {
		distance += n
	} else {
		distance += 12 * n
	}
	distance += ratioDistance(p.ratio1, q.ratio1) + ratioDistance(p.ratio2, q.ratio2)
	for i := range p.code {
		distance += codeDistance(p.code[i], q.code[i])
	}
	return distance, nil
}

// around returns the distance of two numbers on a circle of n.
func around(a, b uint8, n int) int {
	d := max(int(a)-int(b), int(b)-int(a))
	return min(d, n-d)
}

func ratioDistance(a, b uint8) int {
	n := around(a, b, 16)
	if n <= 1 {
		return n
	}
	return 12 * (n - 1)
}

// codeDistance sums up the distances of four quartiles; the distance from the lowest to the highest counts double.
func codeDistance(a, b uint8) (sum int) {
	for ; a != b; a, b = a>>2, b>>2 {
		d := max(int(a&3)-int(b&3), int(b&3)-int(a&3))
		if d == 3 {
			d = 6
		}
		sum += d
	}
	return sum
}
