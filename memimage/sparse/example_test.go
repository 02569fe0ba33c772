package sparse_test

import (
	"errors"
	"fmt"

	"memlens/memimage/sparse"
)

// A range is stitched together from extents of others. What no extent covers is a hole: reading stops there and says so, and
// only ZeroFill makes zeros of it.
func Example() {
	disk := sparse.Bytes([]byte("....MZ......PE.."))
	r, err := sparse.NewReader(12,
		sparse.Extent{Off: 0, Len: 2, Src: disk, SrcOff: 4},
		sparse.Extent{Off: 8, Len: 4, Src: disk, SrcOff: 12},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	buf := make([]byte, 12)
	n, err := r.ReadAt(buf, 0)
	var hole *sparse.HoleError
	fmt.Printf("%q, then a hole: %v\n", buf[:n], errors.As(err, &hole))

	filled := sparse.ZeroFill(r, func(off, n int64) { fmt.Printf("%d bytes from %d on are missing\n", n, off) })
	if _, err := filled.ReadAt(buf, 0); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%q\n", buf)
	// Output:
	// "MZ", then a hole: true
	// 6 bytes from 2 on are missing
	// "MZ\x00\x00\x00\x00\x00\x00PE.."
}
