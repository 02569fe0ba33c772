package fs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"memlens/memimage/reference"
	"memlens/memimage/synth"
)

// executable returns n bytes of an executable: of this test, again and again.
func executable(b *testing.B, n int) []byte {
	b.Helper()
	path, err := os.Executable()
	if err != nil {
		b.Skip(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		b.Skip(err)
	}
	for len(data) < n {
		data = append(data, data...)
	}
	return data[:n]
}

// BenchmarkDigest makes all digests of an executable.
func BenchmarkDigest(b *testing.B) {
	for _, size := range []int{1 << 20, 100 << 20} {
		b.Run(fmt.Sprintf("%dMiB", size>>20), func(b *testing.B) {
			data := executable(b, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := digest("x", bytes.NewReader(data), int64(size), nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkReferences ranks 2,000 references of 175 MB: all of which are digested, and again with digests that are kept.
func BenchmarkReferences(b *testing.B) {
	const number, size = 2000, 175_000_000 / 2000
	dir, all := b.TempDir(), executable(b, 175_000_000)
	for i := range number {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.exe", i)), all[i*size:][:size], 0o644); err != nil {
			b.Fatal(err)
		}
	}
	mem, err := synth.Build(synth.Demo())
	if err != nil {
		b.Fatal(err)
	}
	refs, err := reference.Open(context.Background(), []string{dir}, reference.Options{})
	if err != nil {
		b.Fatal(err)
	}
	f := tree(b, mem, Options{References: refs})
	b.Run("digests", func(b *testing.B) {
		for b.Loop() {
			f.digests, f.texts = newDigestStore(""), newTexts(0, f.image.Faults())
			similarRows(b, f, "1724-explorer.exe")
		}
	})
	b.Run("scores", func(b *testing.B) {
		for b.Loop() {
			f.texts = newTexts(0, f.image.Faults())
			similarRows(b, f, "1724-explorer.exe")
		}
	})
}

// BenchmarkLike scores the digests of executables that are alike, and of others.
func BenchmarkLike(b *testing.B) {
	for _, size := range []int{1 << 20, 100 << 20} {
		for name, skip := range map[string]int{"same": 0, "alike": 4096, "other": 2 << 20} {
			b.Run(fmt.Sprintf("%s/%dMiB", name, size>>20), func(b *testing.B) {
				data := executable(b, size+skip)
				if name == "other" {
					for i := range data[skip:] {
						data[skip+i] ^= byte(i >> 12)
					}
				}
				of := func(data []byte) *digested {
					d, err := digest("x", bytes.NewReader(data), int64(len(data)), nil)
					if err != nil {
						b.Fatal(err)
					}
					out, err := d.parse()
					if err != nil {
						b.Fatal(err)
					}
					return out
				}
				one := of(bytes.Clone(executable(b, size)))
				two := of(data[skip:][:size])
				for b.Loop() {
					one.like(two)
				}
			})
		}
	}
}
