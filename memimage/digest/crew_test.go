package digest

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"testing"

	"memlens/memimage/pe"
	"memlens/memimage/rescue"
	"memlens/memimage/sparse"
	"memlens/render/similarity"
)

// inPieces gives data to a taker in pieces, and returns the data; some pieces are known to be zeros.
func inPieces(rng *rand.Rand, to similarity.Taker, data []byte) (given []byte) {
	for len(data) > 0 {
		p := data[:min(len(data), rng.IntN(5000))]
		if data = data[len(p):]; rng.IntN(3) > 0 {
			to.Take(p)
			given = append(given, p...)
		} else {
			to.TakeZeros(int64(len(p)))
			given = append(given, make([]byte, len(p))...)
		}
	}
	return given
}

// plainBlocks are the hashes of a file's blocks.
func plainBlocks(data []byte, missing []pe.Range) (out blocks) {
	for at := 0; at+blockSize <= len(data); at += blockSize {
		b := data[at:][:blockSize]
		gone := slices.ContainsFunc(missing, func(m pe.Range) bool { return m.Off < int64(at+blockSize) && int64(at) < m.Off+m.Len })
		if gone || bytes.Count(b, b[:1]) == blockSize {
			continue
		}
		h := fnv.New64a()
		h.Write(b)
		out = append(out, h.Sum64())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestTakersInPieces compares the digests of data in pieces with the digests of the same data at once.
func TestTakersInPieces(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		data := make([]byte, rng.IntN(40_000))
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		var missing []pe.Range
		for at := rng.Int64N(3000); at < int64(len(data)); at += rng.Int64N(9000) {
			missing = append(missing, pe.Range{Off: at, Len: 1 + rng.Int64N(900)})
			at = missing[len(missing)-1].Off + missing[len(missing)-1].Len
		}
		b := &blockHasher{missing: missing}
		given := inPieces(rng, b, data)
		if got, want := b.blocks(), plainBlocks(given, missing); !slices.Equal(got, want) {
			t.Fatalf("%d blocks, want %d", len(got), len(want))
		}
		s := newSummer()
		given = inPieces(rng, s, data)
		short, long := s.texts()
		if short != fmt.Sprintf("%x", md5.Sum(given)) || long != fmt.Sprintf("%x", sha256.Sum256(given)) {
			t.Fatal("other sums than at once")
		}
	}
}

// TestSignedInPieces compares Authenticode's digest of a file in pieces with its digest at once.
func TestSignedInPieces(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	b := program(t, "signed64")
	for range 100 {
		s, err := signedHasherOf(sparse.Bytes(b), nil)
		if err != nil || s == nil {
			t.Fatal(s, err)
		}
		signed := slices.Clone(s.signed)
		given, want := inPieces(rng, s, b), sha256.New()
		for _, r := range signed {
			want.Write(given[r.Off:r.End()])
		}
		if s.text() != fmt.Sprintf("%x", want.Sum(nil)) {
			t.Fatal("another digest than at once")
		}
	}
	f, err := pe.Open(sparse.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := sumSigned(f)
	if d, err2 := Of("x", bytes.NewReader(b), int64(len(b)), nil); err != nil || err2 != nil || d.Signed != want {
		t.Errorf("%+v, want %s (%v, %v)", d, want, err, err2)
	}
}

// panicker is a taker that panics.
type panicker struct{}

func (panicker) Take([]byte)     { panic("a taker") }
func (panicker) TakeZeros(int64) { panic("a taker") }

// TestTakersThatPanic has a taker that panics among the slow takers, and among the others.
func TestTakersThatPanic(t *testing.T) {
	for _, c := range []*crew{{slow: []similarity.Taker{panicker{}}}, {others: []similarity.Taker{panicker{}}}} {
		c.Take(make([]byte, 10))
		c.TakeZeros(3)
		if panicked := (*rescue.PanicError)(nil); !errors.As(c.err, &panicked) {
			t.Errorf("error %v, want that of a panic", c.err)
		}
	}
}
