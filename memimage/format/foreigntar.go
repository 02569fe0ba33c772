package format

import (
	"strconv"
	"strings"
)

// Offsets in the header of a file in a tar archive.
const (
	tarMode     = 100
	tarSize     = 124
	tarChecksum = 148
	tarHeader   = 512
)

// foreignTar recognises tar archives of the time before "ustar", which have no magic number, by the checksum of the
// first header.
func foreignTar(head fields, _ int64) (foreign, error) {
	h := head.at(0, tarHeader)
	if h == nil || h[0] == 0 {
		return foreign{}, errNotForeign
	}
	for _, number := range [][]byte{h[tarMode : tarMode+8], h[tarSize : tarSize+12]} {
		if _, ok := octal(number); !ok {
			return foreign{}, errNotForeign
		}
	}
	sum := uint64(8 * ' ') // the checksum counts as spaces
	for i, b := range h {
		if i < tarChecksum || i >= tarChecksum+8 {
			sum += uint64(b)
		}
	}
	if n, ok := octal(h[tarChecksum : tarChecksum+8]); !ok || n != sum {
		return foreign{}, errNotForeign
	}
	return foreign{what: "a tar archive", do: "unpack it first: tar xf FILE"}, nil
}

// octal reads a number in the digits of tar, with spaces and zero bytes around it.
func octal(b []byte) (uint64, bool) {
	n, err := strconv.ParseUint(strings.Trim(string(b), " \x00"), 8, 64)
	return n, err == nil
}
