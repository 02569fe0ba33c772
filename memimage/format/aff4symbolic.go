package format

import (
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	"memlens/memimage/sparse"
)

// aff4Symbol is a stream that is not stored: its name describes its bytes.
type aff4Symbol struct {
	what   string        // why the bytes are missing; empty: they are not missing
	source sparse.Source // the bytes; if they are missing, the bytes that a digest uses in their place
}

// symbol returns the symbolic stream of that name.
func symbol(urn string) (aff4Symbol, bool) {
	if b, ok := symbolByte(urn); ok {
		return aff4Symbol{source: fill(b)}, true
	}
	switch withoutSchema(urn) {
	case "UnknownData", "NoData":
		return aff4Symbol{"were not read by the acquisition tool", pattern("UNKNOWN")}, true
	case "UnreadableData":
		return aff4Symbol{"could not be read by the acquisition tool", pattern("UNREADABLEDATA")}, true
	}
	return aff4Symbol{}, false
}

// symbolByte returns the byte that a symbolic stream consists of. Before the standard such streams had other names.
func symbolByte(urn string) (byte, bool) {
	word := withoutSchema(urn)
	switch word {
	case "Zero":
		return 0, true
	case "FF", "FFDevice":
		return 0xff, true
	case urn: // no word of AFF4
		word = ""
	}
	for _, prefix := range []string{"http://afflib.org/2012/SymbolicStream#", aff4Schema + "SymbolicStream", aff4Legacy + "SymbolicStream", aff4Legacy} {
		if digits, ok := strings.CutPrefix(urn, prefix); ok && len(digits) == 2 {
			word = digits
			break
		}
	}
	b, err := hex.DecodeString(word)
	if err != nil || len(b) != 1 {
		return 0, false
	}
	return b[0], true
}

// Zeros implements [sparse.Zeroer].
func (f fill) Zeros(off int64) int64 {
	if f != 0 || off < 0 {
		return 0
	}
	return math.MaxInt64 - off
}

// pattern is an endless range of pieces of patternSize bytes, each of which is filled with the text over and over.
type pattern string

const patternSize = 1 << 20

// Size returns the largest size that a source can have.
func (pattern) Size() int64 { return math.MaxInt64 }

// Probe implements [sparse.Source].
func (pattern) Probe(off int64) (int64, error) { return fill(0).Probe(off) }

// ReadAt implements [sparse.Source].
func (t pattern) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("format: negative offset %d", off)
	}
	for i := range p {
		p[i] = t[(off+int64(i))%patternSize%int64(len(t))]
	}
	return len(p), nil
}
