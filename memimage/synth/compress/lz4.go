package compress

import "encoding/binary"

// Limits of the LZ4 block format: matches have 4 bytes at least, the last 5 bytes are literals, and the last match begins
// 12 bytes before the end at the latest.
const (
	lz4Shortest = 4
	lz4Window   = 1<<16 - 1
	lz4Tail     = 12
)

// LZ4 writes a page as an LZ4 block. Ways that differ from Greedy only in how a length is written give the same block
// as Greedy.
func LZ4(page []byte, w Way) []byte {
	return lz4Block(w.divide(page, lz4Shortest, lz4Window, lz4Tail))
}

// LZ4Beyond returns damaged data for a page: its first match begins before the page.
func LZ4Beyond(page []byte) []byte {
	return lz4Block(beyond(Greedy.divide(page, lz4Shortest, lz4Window, lz4Tail), lz4Window))
}

// lz4Block writes sequences: literals, then a match; the last has literals only.
func lz4Block(items []item) []byte {
	var out, literals []byte
	for _, it := range items {
		if it.length == 0 {
			literals = append(literals, it.literal)
			continue
		}
		out = sequence(out, literals, it)
		literals = literals[:0]
	}
	return sequence(out, literals, item{})
}

// sequence writes a token, literals, and a match unless its length is 0.
func sequence(out, literals []byte, m item) []byte {
	match := max(m.length-lz4Shortest, 0)
	out = append(out, byte(min(len(literals), 15)<<4|min(match, 15)))
	out = append(more(out, len(literals)), literals...)
	if m.length == 0 {
		return out
	}
	return more(binary.LittleEndian.AppendUint16(out, uint16(m.distance)), match)
}

// more writes the part of a length that does not fit into the four bits of a token.
func more(out []byte, n int) []byte {
	if n < 15 {
		return out
	}
	for n -= 15; n >= 255; n -= 255 {
		out = append(out, 255)
	}
	return append(out, byte(n))
}
