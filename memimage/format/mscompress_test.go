package format

// Numbers of the compressed formats, and the error texts that the tests expect.
const (
	huffmanBlock     = 1 << 16
	huffmanTruncated = "the data end early"
	huffmanBadTable  = "the lengths in a code table make no code"
	huffmanBadMatch  = "a match begins before the data or ends behind them"
	huffmanBadLength = "a match has a length that is never written so"
	huffmanBadEnd    = "the data do not end where they should"
	lznt1Chunk       = 4096
)

// lznt1Shift returns how many bits of a match at that place of a chunk are its length: the bits that the largest
// distance does not need.
func lznt1Shift(at int) int {
	shift := 12
	for largest := 1 << 4; at > largest; largest <<= 1 {
		shift--
	}
	return shift
}
