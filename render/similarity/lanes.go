package similarity

// lanes are hashes of 6 bits, eight in each word: a byte has room for the sum that makes the product with the prime.
type lanes [ssdeepLevels/lanesInWord + 1]uint64

const (
	laneBits    = 8
	lanesInWord = 64 / laneBits
	everyLane   = 0x0101010101010101
)

func (l *lanes) get(i int) uint8 { return uint8(l[i/lanesInWord]>>(i%lanesInWord*laneBits)) & 63 }

func (l *lanes) set(i int, h uint8) {
	w, shift := &l[i/lanesInWord], i%lanesInWord*laneBits
	*w = *w&^(63<<shift) | uint64(h)<<shift
}

// dropFirst moves all hashes down by one.
func (l *lanes) dropFirst() {
	for i := range l {
		l[i] >>= laneBits
		if i+1 < len(l) {
			l[i] |= l[i+1] & 63 << ((lanesInWord - 1) * laneBits)
		}
	}
}

// hashLanes hashes a byte in all lanes of a word: the Fowler–Noll–Vo step modulo 64, whose prime is then 19, or
// 16 + 2 + 1. Of the 16 times only the bits below 64 are added, so that no sum is above 255.
func hashLanes(h uint64, c uint32) uint64 {
	return (h + h<<1 + h&(3*everyLane)<<4 ^ uint64(c)*everyLane) & (63 * everyLane)
}
