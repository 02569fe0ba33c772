package digest

import (
	"bytes"
	"fmt"
	"memlens/memimage/sparse/sparsetest"
	"testing"
)

// BenchmarkDigest makes all digests of an executable.
func BenchmarkDigest(b *testing.B) {
	for _, size := range []int{1 << 20, 100 << 20} {
		b.Run(fmt.Sprintf("%dMiB", size>>20), func(b *testing.B) {
			data := sparsetest.Program(b, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := Of("x", bytes.NewReader(data), int64(size), nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLike scores the digests of similar executables, and of others.
func BenchmarkLike(b *testing.B) {
	for _, size := range []int{1 << 20, 100 << 20} {
		for name, skip := range map[string]int{"same": 0, "alike": 4096, "other": 2 << 20} {
			b.Run(fmt.Sprintf("%s/%dMiB", name, size>>20), func(b *testing.B) {
				data := sparsetest.Program(b, size+skip)
				if name == "other" {
					for i := range data[skip:] {
						data[skip+i] ^= byte(i >> 12)
					}
				}
				of := func(data []byte) *Parsed {
					d, err := Of("x", bytes.NewReader(data), int64(len(data)), nil)
					if err != nil {
						b.Fatal(err)
					}
					out, err := d.Parse()
					if err != nil {
						b.Fatal(err)
					}
					return out
				}
				one := of(bytes.Clone(sparsetest.Program(b, size)))
				two := of(data[skip:][:size])
				for b.Loop() {
					one.Like(two)
				}
			})
		}
	}
}
