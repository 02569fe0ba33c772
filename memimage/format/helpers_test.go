package format

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"memlens/memimage/sparse"
)

// memSource is a Source in memory, with siblings.
type memSource struct {
	sparse.Source
	name     string
	siblings map[string][]byte // by name, or by extension, such as ".vmss", in small letters
}

func newMemSource(name string, data []byte) *memSource {
	return &memSource{Source: sparse.Bytes(data), name: name}
}

func (s *memSource) Name() string { return s.name }
func (s *memSource) Beside(name string) (Source, error) {
	for key, data := range s.siblings {
		if strings.EqualFold(siblingName(s.name, key), name) {
			return &memSource{sparse.Bytes(data), name, s.siblings}, nil
		}
	}
	return nil, fs.ErrNotExist
}

func (s *memSource) Names() ([]string, error) {
	names := []string{s.name}
	for key := range s.siblings {
		names = append(names, siblingName(s.name, key))
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// siblingName returns the name of a sibling of a file, by its name or its extension.
func siblingName(of, key string) string {
	if strings.HasPrefix(key, ".") {
		return stem(of) + key
	}
	return key
}

// run is a run of physical memory for the writers in tests.
type run struct {
	addr uint64
	data []byte
}

// testMemory returns a memory with a hole at 640 KB, a second run and a far third, in which every page contains its
// address, and which compresses as well as real memory.
func testMemory() []run {
	return []run{
		{0x1000, testPages(0x1000, 0x20)},
		{0x100000, testPages(0x100000, 0x31)},
		{0x4000000, testPages(0x4000000, 0x11)},
	}
}

// testMemorySize is how many bytes testMemory has.
const testMemorySize = (0x20 + 0x31 + 0x11) * pageSize

// testPages returns n pages: zeros, text, numbers and noise in turn, each with its address in front.
func testPages(addr uint64, n int) []byte {
	out := make([]byte, 0, n*pageSize)
	for i := range n {
		out = append(out, testPage(addr+uint64(i)*pageSize)...)
	}
	return out
}

func testPage(addr uint64) []byte {
	p := make([]byte, pageSize)
	rng := rand.New(rand.NewPCG(addr, 1))
	switch addr / pageSize % 5 {
	case 0: // zeros
		return p
	case 1: // text
		copy(p, bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog. "), 100))
	case 2: // pointers
		for i := 0; i < pageSize; i += 8 {
			binary.LittleEndian.PutUint64(p[i:], 0xfffff80000000000|uint64(rng.IntN(1<<20))<<4)
		}
	case 3: // noise
		for i := range p {
			p[i] = byte(rng.Uint32())
		}
	case 4: // a repeated byte with some others
		for i := range p {
			p[i] = 0xcc
		}
		for range 50 {
			p[rng.IntN(pageSize)] = byte(rng.Uint32())
		}
	}
	binary.LittleEndian.PutUint64(p, addr)
	return p
}

// flat returns the memory of runs with zeros in the holes.
func flat(runs []run) []byte {
	var out []byte
	for _, r := range runs {
		if end := int(r.addr) + len(r.data); end > len(out) {
			out = append(out, make([]byte, end-len(out))...)
		}
		copy(out[r.addr:], r.data)
	}
	return out
}

// checkMemory compares all of the memory of im with want and its runs.
func checkMemory(t *testing.T, im *Image, want []run) {
	t.Helper()
	var got []run
	for r, err := range sparse.Runs(im.Memory) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Err == nil {
			got = append(got, run{addr: uint64(r.Off), data: make([]byte, r.Len)})
			if _, err := im.Memory.ReadAt(got[len(got)-1].data, r.Off); err != nil && err != io.EOF {
				t.Fatalf("reading run %#x+%#x: %v", r.Off, r.Len, err)
			}
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d runs, want %d (%v)", len(got), len(want), im.Notes)
	}
	for i := range got {
		if got[i].addr != want[i].addr || len(got[i].data) != len(want[i].data) {
			t.Fatalf("run %d is %#x+%#x, want %#x+%#x", i, got[i].addr, len(got[i].data), want[i].addr, len(want[i].data))
		}
		if at := firstDifference(got[i].data, want[i].data); at >= 0 {
			t.Fatalf("byte at %#x differs", got[i].addr+uint64(at))
		}
	}
}

func firstDifference(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

// checkSubset checks that every byte that im can read is the byte of want at that place. It returns the number of
// bytes read.
func checkSubset(t *testing.T, im *Image, want []byte) int64 {
	t.Helper()
	var total int64
	buf := make([]byte, 1<<16)
	for r, err := range sparse.Runs(im.Memory) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Err != nil {
			continue
		}
		for off := r.Off; off < r.End(); {
			n, err := im.Memory.ReadAt(buf[:min(int64(len(buf)), r.End()-off)], off)
			if off+int64(n) > int64(len(want)) || !bytes.Equal(buf[:n], want[off:off+int64(n)]) {
				t.Fatalf("wrong bytes within %#x+%#x", off, n)
			}
			total += int64(n)
			off += int64(n)
			if err != nil && err != io.EOF {
				t.Fatalf("Probe says that %#x can be read for %#x bytes, but reading at %#x gives %v", r.Off, r.Len, off, err)
			}
		}
	}
	return total
}

func digest(t *testing.T, r sparse.Source, size int64) [32]byte {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(sparse.ZeroFill(r, nil), 0, size)); err != nil {
		t.Fatal(err)
	}
	return [32]byte(h.Sum(nil))
}

// noteWith reports whether a note has text in it.
func noteWith(im *Image, text string) bool {
	return strings.Contains(strings.Join(im.Notes, "\n"), text)
}

// requireTools reports whether a missing tool is a failure.
func requireTools() bool { return os.Getenv("MEMLENS_REQUIRE_TOOLS") == "1" }
