package sparse

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
)

// counted is a source that counts its reads.
type counted struct {
	*bytes.Reader
	mu    sync.Mutex
	reads int
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	c.mu.Lock()
	c.reads++
	c.mu.Unlock()
	return c.Reader.ReadAt(p, off)
}

func (c *counted) Probe(off int64) (int64, error) {
	if off >= c.Size() {
		return 0, io.EOF
	}
	return c.Size() - off, nil
}

// TestCacheReads reads small pieces through caches of many sizes, from several goroutines.
func TestCacheReads(t *testing.T) {
	data := make([]byte, 40*PageSize+100)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data)
	for _, pages := range []int{0, 1, 2, 3, 4, 7, 64} {
		src := &counted{Reader: bytes.NewReader(data)}
		c := NewCache(src, pages)
		if n := len(c.slots); n > max(pages, 1) {
			t.Errorf("%d pages: it keeps %d", pages, n)
		}
		var wg sync.WaitGroup
		for seed := range uint64(3) {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(seed, 1))
				for range 3000 {
					p, off := make([]byte, r.IntN(3000)), r.Int64N(int64(len(data)))
					n, err := c.ReadAt(p, off)
					want := data[off:min(off+int64(len(p)), int64(len(data)))]
					if !bytes.Equal(p[:n], want) || (n < len(p)) != (err != nil) {
						t.Errorf("%d pages: %d bytes at %#x: %d, %v", pages, len(p), off, n, err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}

// TestCacheKeepsWholePages checks that a page that was read whole is not read again, and that longer reads, and reads
// across pages, go to the source.
func TestCacheKeepsWholePages(t *testing.T) {
	data := make([]byte, 4*PageSize)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data)
	src := &counted{Reader: bytes.NewReader(data)}
	c := NewCache(src, 4)
	for _, read := range []struct{ off, n, reads int }{
		{PageSize, PageSize, 1}, {PageSize, PageSize, 1}, {PageSize + 8, 8, 1}, {8, 8, 2}, {0, PageSize, 2},
		{0, PageSize + 1, 3}, {0, PageSize + 1, 4}, {8, PageSize, 5}, {8, PageSize, 6},
	} {
		p := make([]byte, read.n)
		if n, err := c.ReadAt(p, int64(read.off)); n < len(p) || err != nil || !bytes.Equal(p, data[read.off:read.off+read.n]) {
			t.Fatalf("%d bytes at %#x: %d, %v", read.n, read.off, n, err)
		}
		if src.reads != read.reads {
			t.Errorf("%d bytes at %#x: the source was read %d times, want %d", read.n, read.off, src.reads, read.reads)
		}
	}
}

// BenchmarkCache reads entries of more tables than the cache keeps.
func BenchmarkCache(b *testing.B) {
	c := NewCache(&counted{Reader: bytes.NewReader(make([]byte, 1<<24))}, 64)
	p := make([]byte, 8)
	b.ReportAllocs()
	for i := int64(0); b.Loop(); i++ {
		if _, err := c.ReadAt(p, i*4093%(1<<24-8)); err != nil {
			b.Fatal(err)
		}
	}
}

// TestCacheNumber checks that a number is the number that ReadAt reads, and that there is none if ReadAt fails.
func TestCacheNumber(t *testing.T) {
	data := make([]byte, 3*PageSize)
	for i := range data {
		data[i] = byte(i * 7)
	}
	r, err := NewReader(4*PageSize, Extent{Len: PageSize, Src: Bytes(data)}, Extent{Off: 2 * PageSize, Len: PageSize + 100, Src: Bytes(data), SrcOff: PageSize})
	if err != nil {
		t.Fatal(err)
	}
	c := NewCache(r, 2)
	for _, size := range []int{4, 8} {
		for off := int64(-8); off < r.Size()+8; off++ {
			var b [8]byte
			n, err := r.ReadAt(b[:size], max(off, 0))
			readable := off >= 0 && n == size && err == nil && off < 3*PageSize // a part of the last page is missing: it is not kept
			got, ok := c.Number(off, size)
			if want := readable && off%int64(size) == 0; ok != want || ok && got != binary.LittleEndian.Uint64(b[:]) {
				t.Fatalf("%d bytes at %#x: %#x, %v, want %#x, %v", size, off, got, ok, b, want)
			}
		}
	}
}

func BenchmarkCacheNumber(b *testing.B) {
	c := NewCache(Bytes(make([]byte, 64*PageSize)), 64)
	b.ReportAllocs()
	for i := int64(0); b.Loop(); i++ {
		if _, ok := c.Number(i*8%(64*PageSize), 8); !ok {
			b.Fatal("not read")
		}
	}
}
