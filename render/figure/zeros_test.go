package figure

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// holed knows where it has zeros, from one offset to another, and counts the bytes that are read.
type holed struct {
	*bytes.Reader
	from, to int64
	read     int64
}

func (h *holed) ReadAt(p []byte, off int64) (int, error) {
	h.read += int64(len(p))
	return h.Reader.ReadAt(p, off)
}

func (h *holed) Zeros(off int64) int64 {
	if off < h.from {
		return 0
	}
	return h.to - off
}

// noise is size bytes of noise, with zeros from off to end.
func noise(size, off, end int64) []byte {
	r := rand.New(rand.NewPCG(9, 9))
	out := make([]byte, size)
	for i := range out {
		out[i] = byte(r.Uint32())
	}
	clear(out[off:end])
	return out
}

// TestZerosAreSampledAsData compares the drawing of zeros that are known with the drawing of zeros that are read, at
// scales of one byte and of many.
func TestZerosAreSampledAsData(t *testing.T) {
	for _, size := range []int64{1 << 19, 9<<20 + 123} {
		from, to := size/5+3, size*4/5+1
		data := noise(size, from, to)
		s := Subject{Size: size, Missing: []Span{{size / 3, 5000}}}
		for _, dotBytes := range []int64{1, 8, 32 << 10} {
			l := &layout{size: size, dotBytes: dotBytes, rows: plotHeight}
			s.Data = bytes.NewReader(data)
			wantDots, gotDots := new(histogram), new(histogram)
			want, err := take(&s, l, wantDots)
			if err != nil {
				t.Fatal(err)
			}
			h := &holed{Reader: bytes.NewReader(data), from: from, to: to}
			s.Data = h
			got, err := take(&s, l, gotDots)
			if err != nil || !slices.Equal(got.bins, want.bins) || !slices.Equal(gotDots.used(), wantDots.used()) || !bytes.Equal(got.bytes, want.bytes) {
				t.Errorf("%d bytes, %d a dot: other dots, error %v", size, dotBytes, err)
			}
			if h.read > size-(to-from)+chunkSize {
				t.Errorf("%d bytes, %d a dot: %d were read", size, dotBytes, h.read)
			}
		}
	}
}

// TestZerosInBothAreEqual compares files in which many bytes are known to be zeros, and many are missing.
func TestZerosInBothAreEqual(t *testing.T) {
	const size = 2 << 20
	a, b := noise(size, 300_000, 1_500_000), noise(size-5, 400_001, 1_700_000)
	plain := Comparison{
		Reference: bytes.NewReader(a), ReferenceSize: int64(len(a)), Recovered: bytes.NewReader(b), RecoveredSize: int64(len(b)),
		Relocated: []Span{{1_450_000, 60_000}}, Missing: []Span{{100_000, 250_000}, {600_000, 10}},
	}
	var want, got classList
	if err := plain.each(&want); err != nil {
		t.Fatal(err)
	}
	known := plain
	ra, rb := &holed{bytes.NewReader(a), 300_000, 1_500_000, 0}, &holed{bytes.NewReader(b), 400_001, 1_700_000, 0}
	known.Reference, known.Recovered = ra, rb
	if err := known.each(&got); err != nil || !slices.Equal(got, want) {
		t.Errorf("other classes when zeros are known, error %v", err)
	}
	if most := int64(size - 1_000_000); ra.read > most || rb.read > most {
		t.Errorf("%d and %d bytes were read, want at most %d", ra.read, rb.read, most)
	}
}

// TestClaimsAreNotRead compares a header that claims 3 GiB with a file of a
// megabyte.
func TestClaimsAreNotRead(t *testing.T) {
	const size = 3 << 30
	reference := bytes.NewReader(noise(1<<20, 0, 0))
	h := &holed{Reader: bytes.NewReader(noise(4096, 0, 0)), from: 4096, to: size}
	c := Comparison{Reference: reference, ReferenceSize: reference.Size(), Recovered: h, RecoveredSize: size,
		Missing: []Span{{4096, size - 4096}}}
	n, err := c.Count()
	if err != nil || n.Total() != size || n[Beyond] != size-1<<20 || n[NotRecovered] != 1<<20-4096 {
		t.Errorf("%v, error %v", n, err)
	}
	if _, err := Difference(Subject{Title: "x"}, c); err != nil {
		t.Error(err)
	}
	if _, err := Map(Subject{Title: "x", Size: size, Data: h, Missing: c.Missing}); err != nil {
		t.Error(err)
	}
	if h.read > 1<<20 {
		t.Errorf("%d bytes were read", h.read)
	}
}
