//go:build linux

package fusefs

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// Another process serves the files that these benchmarks read.

func BenchmarkReread(b *testing.B) {
	s := start(b)
	buf := make([]byte, 1<<20)
	read(b, s.path("big.bin"), buf) // from here on the kernel has it
	for b.Loop() {
		b.SetBytes(read(b, s.path("big.bin"), buf))
	}
}

// BenchmarkFirstRead reads 1 GiB that the kernel does not have.
func BenchmarkFirstRead(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		s := start(b)
		b.StartTimer()
		f, err := os.Open(s.path("huge.bin"))
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{io.LimitReader(f, 1<<30)}, make([]byte, 1<<20))
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(n)
		f.Close()
		b.StopTimer()
		s.kill()
		b.StartTimer()
	}
}

func read(b *testing.B, name string, buf []byte) int64 {
	b.Helper()
	f, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, buf)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// BenchmarkList lists ten thousand files: by name, and with the facts that ls -l shows; the first time, and again when
// the kernel knows them.
func BenchmarkList(b *testing.B) {
	for _, c := range []struct {
		name string
		list func(dir string) error
	}{
		{"names", func(dir string) error { _, err := os.ReadDir(dir); return err }},
		{"stat", func(dir string) error {
			return filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
				if err == nil {
					_, err = d.Info()
				}
				return err
			})
		}},
	} {
		list := func(b *testing.B, s *server) {
			if err := c.list(s.path("many")); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(c.name+"/first", func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				s := start(b)
				b.StartTimer()
				list(b, s)
				b.StopTimer()
				s.kill()
				b.StartTimer()
			}
		})
		b.Run(c.name+"/again", func(b *testing.B) {
			s := start(b)
			list(b, s)
			for b.Loop() {
				list(b, s)
			}
		})
	}
}

// BenchmarkMount measures from the start of a process to its first byte.
func BenchmarkMount(b *testing.B) {
	for b.Loop() {
		s := start(b)
		read(b, s.path("hello.txt"), make([]byte, 100))
		b.StopTimer()
		s.kill()
		b.StartTimer()
	}
}
