package format

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"memlens/memimage/sparse"
	"memlens/memimage/synth/corpus"
)

// TestWildHeaders overwrites fields all over every format with numbers that overflow: nothing may panic, hang, or
// take an amount of memory that the file does not have.
func TestWildHeaders(t *testing.T) {
	corpus.Long(t)
	wild := []uint64{0, 1, 0xff, 0x7fffffff, 0x80000000, 0xffffffff, 1<<52 - 1, 1 << 62, 1<<63 - 1, 1 << 63, 1<<64 - 1}
	runs := []run{{0x1000, testPages(0x1000, 8)}, {0x20000, testPages(0x20000, 9)}}
	for _, w := range wrappings() {
		t.Run(w.name, func(t *testing.T) {
			src := w.write(t, runs)
			whole := make([]byte, src.Size())
			if _, err := src.ReadAt(whole, 0); err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(1, uint64(len(whole))))
			dir := t.TempDir()
			for i := range 60 {
				data := bytes.Clone(whole)
				for range rng.IntN(3) + 1 {
					at := rng.IntN(max(min(len(data), 0x2100)-8, 1))
					if i%3 == 2 {
						at = rng.IntN(len(data) - 8)
					}
					binary.LittleEndian.PutUint64(data[at:], wild[rng.IntN(len(wild))])
				}
				im, err := Open(&memSource{sparse.Bytes(data), src.name, src.siblings}, Options{SpoolDir: dir})
				if err != nil {
					continue
				}
				readSome(t, im.Memory)
				if err := im.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestConcurrentReaders reads every format from several goroutines; the race detector looks on.
func TestConcurrentReaders(t *testing.T) {
	runs := testMemory()
	want := flat(runs)
	for _, w := range wrappings() {
		im, err := Open(w.write(t, runs), Options{SpoolDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		var readers sync.WaitGroup
		for n := range 4 {
			readers.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(n), 7))
				buf := make([]byte, 3000)
				for range 100 {
					r := runs[rng.IntN(len(runs))]
					off := int64(r.addr) + rng.Int64N(int64(len(r.data)-len(buf)))
					if _, err := im.Memory.ReadAt(buf, off); err != nil || !bytes.Equal(buf, want[off:off+int64(len(buf))]) {
						t.Errorf("%s at %#x: %v", w.name, off, err)
						return
					}
				}
			})
		}
		readers.Wait()
		if err := im.Close(); err != nil {
			t.Error(err)
		}
	}
}

// hugeHeads are the beginnings of uncompressed images of size bytes; zeros follow.
func hugeHeads(size uint64) map[string][]byte {
	pages := size/pageSize - 16
	full := crashHead(crashLayouts()[0], crashFull, nil)
	binary.LittleEndian.PutUint32(full[0x88:], 1)
	binary.LittleEndian.PutUint64(full[0x98:], 0)
	binary.LittleEndian.PutUint64(full[0xa0:], pages)

	bitmap := crashHead(crashLayouts()[0], crashBitmapFull, nil)
	h := make([]byte, 0x38, 0x1000+pages/8)
	copy(h, "FDMPDUMP")
	binary.LittleEndian.PutUint64(h[0x20:], 0x400000)
	binary.LittleEndian.PutUint64(h[0x28:], pages/8*8-2048)
	binary.LittleEndian.PutUint64(h[0x30:], pages/8*8)
	h = append(h, bytes.Repeat([]byte{0xff}, int(pages/8))...)
	clear(h[0x38+1000 : 0x38+1000+256])

	core := writeQEMU([]run{{0, nil}})
	binary.LittleEndian.PutUint64(core[64+56+32:], size-0x1000)
	binary.LittleEndian.PutUint64(core[64+56+40:], size-0x1000)
	return map[string][]byte{
		"raw":                    nil,
		"crash dump":             full,
		"crash dump by a bitmap": append(bitmap, h...),
		"ELF core":               core,
		"LiME":                   limeRange(limeMagic, 1, 0, size-limeHeader-1),
		"VMware memory alone":    nil,
		"raw with a memory map":  nil,
	}
}

const hugeSize = 64 << 30

func openHuge(t testing.TB, name string, head []byte) (*Image, *hugeSource) {
	t.Helper()
	src := &hugeSource{name: "a.img", head: head, size: hugeSize}
	var o Options
	switch name {
	case "VMware memory alone":
		src.name = "a.vmem"
	case "raw with a memory map":
		o.Memmap = []Range{{0, 3 << 30, 0}, {4 << 30, 61 << 30, 3 << 30}}
	}
	im, err := Open(src, o)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return im, src
}

// TestHugeFilesAreNotReadToBeOpened counts the bytes that are read from a file of 64 GiB when it is opened.
func TestHugeFilesAreNotReadToBeOpened(t *testing.T) {
	for name, head := range hugeHeads(hugeSize) {
		im, src := openHuge(t, name, head)
		if im.Memory.Size() < hugeSize*9/10 || strings.Contains(strings.Join(im.Notes, ""), "truncated") {
			t.Errorf("%s: %#x bytes of memory, %q", name, im.Memory.Size(), im.Notes)
		}
		if limit := int64(len(head))*3 + 1<<20; src.read.Load() > limit {
			t.Errorf("%s: %d bytes were read, want at most %d", name, src.read.Load(), limit)
		}
	}
}

func BenchmarkOpen64GiB(b *testing.B) {
	for name, head := range hugeHeads(hugeSize) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				openHuge(b, name, head)
			}
		})
	}
}

// BenchmarkRead reads the memory of every format in order.
func BenchmarkRead(b *testing.B) {
	runs := []run{{0, testPages(0, 4096)}}
	for _, w := range append(wrappings(), wrapping{name: "raw", write: file("a.raw", func(r []run) []byte { return r[0].data })}) {
		b.Run(w.name, func(b *testing.B) {
			im, err := Open(w.write(b, runs), Options{SpoolDir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			defer im.Close()
			buf := make([]byte, 1<<20)
			b.SetBytes(int64(len(runs[0].data)))
			for b.Loop() {
				for off := int64(0); off < int64(len(runs[0].data)); off += int64(len(buf)) {
					if _, err := im.Memory.ReadAt(buf, off); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
