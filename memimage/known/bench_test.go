package known

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// writeNSRL writes a set of n lines as NSRL does.
func writeNSRL(b *testing.B, n int) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "NSRLFile.txt")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	r := rand.New(rand.NewPCG(1, 2))
	line := []byte("\"SHA-1\",\"MD5\",\"CRC32\",\"FileName\",\"FileSize\",\"ProductCode\",\"OpSystemCode\",\"SpecialCode\"\r\n")
	for i := range n {
		line = fmt.Appendf(line, "\"%016X%016X%08X\",\"%016X%016X\",\"EBD105A0\",\"file%d.dll\",%d,3095,\"WIN\",\"\"\r\n", r.Uint64(), r.Uint64(), r.Uint32(), r.Uint64(), r.Uint64(), i/3, i)
		if len(line) > 1<<20 || i == n-1 {
			f.Write(line)
			line = line[:0]
		}
	}
	return path
}

const benchmarked = 1_000_000

// BenchmarkIndex makes the index of a million lines.
func BenchmarkIndex(b *testing.B) {
	path := writeNSRL(b, benchmarked)
	info, _ := os.Stat(path)
	b.SetBytes(info.Size())
	b.ReportAllocs()
	for b.Loop() {
		s, err := Open(path, Options{CacheDir: b.TempDir()})
		if err == nil {
			_, err = s.Stats(context.Background())
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLookup looks up five digests that are not in a set of a million.
func BenchmarkLookup(b *testing.B) {
	s, err := Open(writeNSRL(b, benchmarked), Options{CacheDir: b.TempDir()})
	if err == nil {
		_, err = s.Stats(context.Background())
	}
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	digests := [][]byte{make([]byte, 32), make([]byte, 20), make([]byte, 16), make([]byte, 32), make([]byte, 20)}
	b.ReportAllocs()
	for b.Loop() {
		for _, d := range digests {
			for i := range d {
				d[i] = byte(r.Uint32())
			}
		}
		if _, found, err := s.Lookup(context.Background(), digests...); found || err != nil {
			b.Fatal(found, err)
		}
	}
}
