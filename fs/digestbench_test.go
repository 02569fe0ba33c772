package fs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"memlens/memimage/reference"
	"memlens/memimage/sparse/sparsetest"
	"memlens/memimage/synth"
)

// BenchmarkReferences ranks 2,000 references of 175 MB: first all references are digested, then the kept digests are
// used.
func BenchmarkReferences(b *testing.B) {
	const number, size = 2000, 175_000_000 / 2000
	dir, all := b.TempDir(), sparsetest.Program(b, 175_000_000)
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
