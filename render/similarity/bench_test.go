package similarity_test

import (
	"bytes"
	"testing"

	"memlens/render/similarity"
)

func BenchmarkDigest(b *testing.B) {
	data := bytes.Clone(samples()["noise-1000000"])
	copy(data[300_000:], samples()["text-400000"])
	for name, digest := range map[string]func(*bytes.Reader) error{
		"ssdeep": func(r *bytes.Reader) error { _, err := similarity.Ssdeep(r, r.Size()); return err },
		"sdhash": func(r *bytes.Reader) error { _, err := similarity.Sdhash("x", r, r.Size()); return err },
		"TLSH":   func(r *bytes.Reader) error { _, err := similarity.TLSH(r, r.Size()); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := digest(bytes.NewReader(data)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
