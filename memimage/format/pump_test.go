package format

import (
	"bytes"
	"testing"
	"testing/iotest"
)

// TestReadAtMost reads data that are as long as expected, shorter and longer, in large and in small pieces.
func TestReadAtMost(t *testing.T) {
	data := testPages(0x1000, 5*firstRead/pageSize)
	for _, size := range []int{0, 1, firstRead - 1, firstRead, firstRead + 1, 4 * firstRead, len(data)} {
		for _, more := range []int{-1, 0, 1} {
			have := size + more
			if have < 0 || have > len(data) {
				continue
			}
			got, err := readAtMost(iotest.HalfReader(bytes.NewReader(data[:have])), size)
			if failed := err != nil; failed != (more > 0) {
				t.Errorf("%d bytes, at most %d: %v", have, size, err)
			}
			if err == nil && !bytes.Equal(got, data[:have]) {
				t.Errorf("%d bytes, at most %d: %d bytes came, or others", have, size, len(got))
			}
		}
	}
	if got, err := readAtMost(bytes.NewReader(data[:10]), 1<<40); err != nil || len(got) != 10 || cap(got) > firstRead {
		t.Errorf("%d bytes in room for %d: %v", len(got), cap(got), err)
	}
}
