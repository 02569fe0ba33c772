package similarity

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"memlens/memimage/synth/corpus"
)

// holed is data with runs of zeros. It knows its zeros if knows is set, and counts the bytes that are read.
type holed struct {
	data  []byte
	knows bool
	read  int
}

func (h *holed) ReadAt(p []byte, off int64) (int, error) {
	h.read += len(p)
	return bytes.NewReader(h.data).ReadAt(p, off)
}

func (h *holed) Zeros(off int64) int64 {
	if !h.knows || off >= int64(len(h.data)) {
		return 0
	}
	n := bytes.IndexFunc(h.data[off:], func(r rune) bool { return r != 0 })
	if n < 0 {
		n = len(h.data) - int(off)
	}
	return int64(n)
}

// withZeros returns data of a kind that varies with i, with runs of zeros of
// the lengths given among them.
func withZeros(r *rand.Rand, lengths ...int) []byte {
	var out []byte
	for _, n := range lengths {
		letters := 1 + r.IntN(128)
		for range 1 + r.IntN(9000) {
			out = append(out, byte(r.IntN(letters)))
		}
		out = append(out, make([]byte, n)...)
	}
	return out
}

// zeroCases are data with runs around the sizes that matter to one of the
// digests.
func zeroCases() [][]byte {
	r := rand.New(rand.NewPCG(3, 3))
	out := [][]byte{make([]byte, 1), make([]byte, 600), make([]byte, 1<<20), append(make([]byte, 1<<20), 1), append([]byte{7}, make([]byte, 300_000)...)}
	for _, n := range []int{1, 3, 4, 5, 6, 7, 8, 22, 23, 24, 63, 64, 65, 128, 4095, 4096, 4097, 8191, 12_345, sdStretch - 1, sdStretch, sdStretch + 4*sdWindow, 3*sdStretch + 11} {
		out = append(out, withZeros(r, n), withZeros(r, n, 70_000, n+1, 5000, 2*n), append(withZeros(r, n, 200_000), 1, 2, 3))
	}
	return out
}

// TestZerosAreExact compares the digests of runs of zeros with the digests of the same zeros taken as bytes.
func TestZerosAreExact(t *testing.T) {
	corpus.Long(t)
	for i, data := range zeroCases() {
		size := int64(len(data))
		plain := newSsdeep(size)
		plain.Take(data)
		var plainTLSH tlshState
		plainTLSH.Take(data)
		for _, knows := range []bool{false, true} {
			s := newSsdeep(size)
			var u tlshState
			Feed(s, &holed{data: data, knows: knows}, size)
			Feed(&u, &holed{data: data, knows: knows}, size)
			if s.digest() != plain.digest() {
				t.Errorf("case %d, knows %v: ssdeep %s, want %s", i, knows, s.digest(), plain.digest())
			}
			if u != plainTLSH {
				t.Errorf("case %d, knows %v: another TLSH than without runs", i, knows)
			}
			if size > sdMinSize && !slices.EqualFunc(featuresOf(data), plainTold(data), bytes.Equal) {
				t.Errorf("case %d, knows %v: other features than without runs", i, knows)
			}
		}
	}
}

// featuresOf are the features that a chunk finds.
func featuresOf(data []byte) (out [][]byte) {
	c := newChunk(func(p []byte) { out = append(out, bytes.Clone(p)) })
	feedBlocks(c, data)
	c.end()
	return out
}

func plainTold(data []byte) (out [][]byte) {
	for _, off := range plainFeatures(data) {
		out = append(out, data[off:off+sdWindow])
	}
	return out
}

// TestChecksumOfZeros compares the checksum with its definition, from each
// start.
func TestChecksumOfZeros(t *testing.T) {
	for sum := range 256 {
		want := uint8(sum)
		for n := int64(0); n < 600; n++ {
			if got := checksumOfZeros(uint8(sum), n); got != want {
				t.Fatalf("from %d, %d zeros: %d, want %d", sum, n, got, want)
			}
			want = triplet(0, 0, 0, want)
		}
	}
}

// claim is a header that claims a large rest, which is zeros.
type claim struct {
	header []byte
	size   int64
	read   int64
}

func (c *claim) ReadAt(p []byte, off int64) (int, error) {
	c.read += int64(len(p))
	clear(p)
	if off < int64(len(c.header)) {
		copy(p, c.header[off:])
	}
	return len(p), nil
}

func (c *claim) Zeros(off int64) int64 {
	if off < int64(len(c.header)) {
		return 0
	}
	return c.size - off
}

// TestClaimedZerosAreNotRead digests a file of 3 GiB in which almost no byte is present.
func TestClaimedZerosAreNotRead(t *testing.T) {
	const size = 3 << 30
	for name, digest := range map[string]func(r io.ReaderAt) error{
		"ssdeep": func(r io.ReaderAt) error { _, err := Ssdeep(r, size); return err },
		"TLSH":   func(r io.ReaderAt) error { _, err := TLSH(r, size); return err },
		"sdhash": func(r io.ReaderAt) error { _, err := Sdhash("x", r, size); return err },
	} {
		c := &claim{header: withZeros(rand.New(rand.NewPCG(5, 5)), 10, 10, 10), size: size}
		if err := digest(c); err != nil {
			t.Fatal(err)
		}
		// sdhash begins anew every 32 MiB.
		if most := int64(32 << 20); c.read > most {
			t.Errorf("%s read %d bytes of %d, want at most %d", name, c.read, size, most)
		}
	}
}

func BenchmarkClaimedZeros(b *testing.B) {
	const size = 96 << 20
	header := withZeros(rand.New(rand.NewPCG(5, 5)), 10, 10, 10)
	for b.Loop() {
		for _, digest := range []func(r io.ReaderAt) error{
			func(r io.ReaderAt) error { _, err := Ssdeep(r, size); return err },
			func(r io.ReaderAt) error { _, err := TLSH(r, size); return err },
			func(r io.ReaderAt) error { _, err := Sdhash("x", r, size); return err },
		} {
			if err := digest(&claim{header: header, size: size}); err != nil {
				b.Fatal(err)
			}
		}
	}
}
