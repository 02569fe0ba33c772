package similarity

// lanes are hashes of 6 bits, several in each word, with room between them for the product with the prime.
type lanes [ssdeepLevels/lanesInWord + 1]uint64

const (
	laneBits    = 11
	lanesInWord = 5
	everyLane   = 1 | 1<<laneBits | 1<<(2*laneBits) | 1<<(3*laneBits) | 1<<(4*laneBits)
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

// hashLanes hashes a byte in all lanes of a word: the Fowler–Noll–Vo step modulo
// 64, whose prime is then 19.
func hashLanes(h uint64, c uint32) uint64 {
	return (h*19 ^ uint64(c)*everyLane) & (63 * everyLane)
}
