package format

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// lzMatcher finds matches: it maps three bytes to the last place where they were.
type lzMatcher map[[3]byte]int

func (m lzMatcher) find(data []byte, at, window, most int) (distance, length int) {
	if at+3 > len(data) {
		return 0, 0
	}
	key := [3]byte(data[at:])
	from, ok := m[key]
	m[key] = at
	if !ok || at-from > window {
		return 0, 0
	}
	for length < most && at+length < len(data) && data[from+length] == data[at+length] {
		length++
	}
	return at - from, length
}

// packLZ77 is a plain LZ77 encoder (MS-XCA 2.3).
func packLZ77(data []byte) []byte {
	out := make([]byte, 4)
	flagsAt, flags, count, half := 0, uint32(0), 0, -1
	token := func(bit uint32) {
		if count == 32 {
			binary.LittleEndian.PutUint32(out[flagsAt:], flags)
			flagsAt, flags, count = len(out), 0, 0
			out = append(out, 0, 0, 0, 0)
		}
		flags = flags<<1 | bit
		count++
	}
	matches := lzMatcher{}
	for at := 0; at < len(data); {
		distance, length := matches.find(data, at, 8192, 1<<15)
		if length < 3 {
			token(0)
			out = append(out, data[at])
			at++
			continue
		}
		token(1)
		at += length
		n := length - 3
		out = binary.LittleEndian.AppendUint16(out, uint16((distance-1)<<3|min(n, 7)))
		if n < 7 {
			continue
		}
		nibble := byte(min(n-7, 15))
		if half < 0 {
			half = len(out)
			out = append(out, nibble)
		} else {
			out[half] |= nibble << 4
			half = -1
		}
		switch {
		case nibble < 15:
		case n-22 < 255:
			out = append(out, byte(n-22))
		default:
			out = binary.LittleEndian.AppendUint16(append(out, 255), uint16(n))
		}
	}
	rest := 32 - count
	binary.LittleEndian.PutUint32(out[flagsAt:], uint32(uint64(flags)<<rest|(1<<rest-1)))
	return out
}

func TestXpress(t *testing.T) {
	for i := range 20 {
		data := testPages(uint64(i)*pageSize, i%16+1)
		if got, err := unpackLZ77(packLZ77(data), len(data)); err != nil || !bytes.Equal(got, data) {
			t.Errorf("LZ77, %d pages: %v", len(data)/pageSize, err)
		}
		if got, err := xpressHuffman(packHuffman(data), len(data)); err != nil || !bytes.Equal(got, data) {
			t.Errorf("Huffman, %d pages: %v", len(data)/pageSize, err)
		}
	}
}
