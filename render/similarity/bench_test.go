package similarity_test

import (
	"bytes"
	"fmt"
	"testing"

	"memlens/memimage/sparse/sparsetest"
	"memlens/render/similarity"
)

func BenchmarkDigest(b *testing.B) {
	for _, size := range []int{1 << 20, 100 << 20} {
		for name, digest := range map[string]func(*bytes.Reader) error{
			"ssdeep": func(r *bytes.Reader) error { _, err := similarity.Ssdeep(r, r.Size()); return err },
			"sdhash": func(r *bytes.Reader) error { _, err := similarity.Sdhash("x", r, r.Size()); return err },
			"TLSH":   func(r *bytes.Reader) error { _, err := similarity.TLSH(r, r.Size()); return err },
		} {
			b.Run(fmt.Sprintf("%s/%dMiB", name, size>>20), func(b *testing.B) {
				data := sparsetest.Program(b, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if err := digest(bytes.NewReader(data)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkScore(b *testing.B) {
	for _, size := range []int{1 << 20, 20 << 20} {
		for name, skip := range map[string]int{"same": 0, "other": size} {
			b.Run(fmt.Sprintf("sdhash/%s/%dMiB", name, size>>20), func(b *testing.B) {
				data := sparsetest.Program(b, 2*size)
				a, other := sdhashOf(b, data[:size]), sdhashOf(b, data[skip:][:size])
				for b.Loop() {
					a.Score(other)
				}
			})
		}
	}
}
