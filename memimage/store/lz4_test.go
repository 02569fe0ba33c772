package store

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// slowLZ4 unpacks a block to size bytes, step by step as the description of the LZ4 block format says; false: it is
// damaged. A block ends with literals.
func slowLZ4(src []byte, size int) (out []byte, ok bool) {
	more := func(n int) (int, bool) {
		if n < 15 {
			return n, true
		}
		for len(src) > 0 {
			b := src[0]
			src = src[1:]
			if n += int(b); b < 255 {
				return n, true
			}
		}
		return 0, false
	}
	for len(src) > 0 {
		token := src[0]
		src = src[1:]
		n, ok := more(int(token >> 4))
		if !ok || n > len(src) || n > size-len(out) {
			return nil, false
		}
		out = append(out, src[:n]...)
		if src = src[n:]; len(src) == 0 {
			return out, len(out) == size && token&15 == 0
		}
		if len(src) < 2 {
			return nil, false
		}
		distance := int(binary.LittleEndian.Uint16(src))
		src = src[2:]
		length, ok := more(int(token & 15))
		if length += 4; !ok || distance == 0 || distance > len(out) || length > size-len(out) {
			return nil, false
		}
		for range length {
			out = append(out, out[len(out)-distance])
		}
	}
	return nil, false
}

// randomLZ4 makes a block of random literals and matches that unpacks to size bytes.
func randomLZ4(rng *rand.Rand, size int) (block []byte) {
	out := 0
	extra := func(n int) {
		for n -= 15; n >= 255; n -= 255 {
			block = append(block, 255)
		}
		if n >= 0 {
			block = append(block, byte(n))
		}
	}
	for {
		literals := rng.IntN([]int{3, 20, 600}[rng.IntN(3)])
		match := 4 + rng.IntN([]int{10, 40, 900}[rng.IntN(3)])
		last := out+literals+match+12 > size
		if last {
			literals, match = size-out, 4
		} else if out+literals == 0 {
			literals = 1
		}
		block = append(block, byte(min(literals, 15)<<4|min(match-4, 15)))
		extra(literals)
		for range literals {
			block = append(block, byte(rng.IntN(4)))
		}
		if out += literals; last {
			return block
		}
		block = binary.LittleEndian.AppendUint16(block, uint16(1+rng.IntN(out)))
		extra(match - 4)
		out += match
	}
}

// TestLZ4AsTheDescription unpacks random blocks as the description of the format says.
func TestLZ4AsTheDescription(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	dst := make([]byte, pageSize)
	for range 300 {
		block := randomLZ4(rng, pageSize)
		err := LZ4.unpack(dst, block)
		if want, ok := slowLZ4(block, pageSize); !ok || err != nil || !bytes.Equal(dst, want) {
			t.Fatalf("%x: %v; the slow decoder: %v", block, err, ok)
		}
		if err := LZ4.unpack(dst, block[:len(block)-1]); err == nil {
			t.Fatalf("%x: no error when it is cut off", block)
		}
	}
}
