package render

import "encoding/binary"

// transpose writes n columns of h cells, lying one after the other in src at
// distances of srcStride, as h rows of n cells, in dst at distances of
// dstStride.
func transpose(dst []byte, dstStride int64, src []byte, srcStride, n, h int64) {
	nn, hh := n&^7, h&^7
	for x := int64(0); x < nn; x += 8 {
		for y := int64(0); y < hh; y += 8 {
			transpose8(dst[y*dstStride+x:], dstStride, src[x*srcStride+y:], srcStride)
		}
	}
	transposeEdge(dst, dstStride, src, srcStride, nn, n, 0, hh)
	transposeEdge(dst, dstStride, src, srcStride, 0, n, hh, h)
}

// transposeEdge does columns x … xEnd and rows y … yEnd cell by cell.
func transposeEdge(dst []byte, dstStride int64, src []byte, srcStride, x, xEnd, y, yEnd int64) {
	for ; x < xEnd; x++ {
		column := src[x*srcStride:]
		for j := y; j < yEnd; j++ {
			dst[j*dstStride+x] = column[j]
		}
	}
}

// transpose8 turns a square of 8 × 8 cells: in words of eight cells it swaps the off-diagonal quarters, then the
// quarters within each quarter, and then once more within these.
func transpose8(dst []byte, dstStride int64, src []byte, srcStride int64) {
	le := binary.LittleEndian
	var a [8]uint64
	for i := range a {
		a[i] = le.Uint64(src[int64(i)*srcStride:])
	}
	for i := range 4 {
		a[i], a[i+4] = swap(a[i], a[i+4], 32, 0x00000000ffffffff)
	}
	for _, i := range [4]int{0, 1, 4, 5} {
		a[i], a[i+2] = swap(a[i], a[i+2], 16, 0x0000ffff0000ffff)
	}
	for i := 0; i < 8; i += 2 {
		a[i], a[i+1] = swap(a[i], a[i+1], 8, 0x00ff00ff00ff00ff)
	}
	for i, v := range a {
		le.PutUint64(dst[int64(i)*dstStride:], v)
	}
}

// swap exchanges the upper parts of a, which mask does not cover, with the
// lower parts of b.
func swap(a, b uint64, shift uint, mask uint64) (uint64, uint64) {
	return a&mask | b&mask<<shift, a>>shift&mask | b&^mask
}
