package restore

import (
	"encoding/binary"
	"io"
)

// checkSum computes a PE file's CheckSum as CheckSumMappedFile does: the 16-bit words added with
// the carry put back, the field itself left out, and the file's size added. It reports whether the
// file could be read.
func checkSum(r interface {
	io.ReaderAt
	Size() int64
}, field int64) (uint32, bool) {
	b := make([]byte, r.Size()+1) // an odd last byte is padded
	if n, _ := r.ReadAt(b[:r.Size()], 0); int64(n) != r.Size() || field+4 > r.Size() {
		return 0, false
	}
	clear(b[field : field+4])
	var sum uint64
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint64(binary.LittleEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint32(sum) + uint32(r.Size()), true
}
