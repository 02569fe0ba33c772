package format_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"

	"memlens/memimage/format"
)

// limeRange is a range of physical memory as LiME writes it: a header with its first and last address, and its bytes.
func limeRange(first uint64, data []byte) []byte {
	var out bytes.Buffer
	for _, v := range []any{uint32(0x4C694D45), uint32(1), first, first + uint64(len(data)) - 1, uint64(0)} {
		binary.Write(&out, binary.LittleEndian, v) // into memory: it cannot fail
	}
	return append(out.Bytes(), data...)
}

// The container of an image is found by its content, and its memory is read by physical addresses.
func ExampleOpenFile() {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "host.lime")
	file := append(limeRange(0x1000, bytes.Repeat([]byte{1}, 0x1000)), limeRange(0x8000, bytes.Repeat([]byte{8}, 0x2000))...)
	if err := os.WriteFile(path, file, 0o600); err != nil {
		fmt.Println(err)
		return
	}

	im, err := format.OpenFile(path, format.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer im.Close()
	fmt.Println(im.Format)
	for _, e := range im.Memory.Extents() {
		fmt.Printf("%#x bytes at %#x\n", e.Len, e.Off)
	}
	page := make([]byte, 4096)
	_, err = im.Memory.ReadAt(page, 0x9000)
	fmt.Println(page[0], err)
	_, err = im.Memory.ReadAt(page, 0x4000)
	fmt.Println(err != nil)
	// Output:
	// LiME
	// 0x1000 bytes at 0x1000
	// 0x2000 bytes at 0x8000
	// 8 <nil>
	// true
}
