package similarity

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// plainSsdeep makes ssdeep's digest as the description says: for one block size after the other, from the block size
// that suits the size of the file down.
func plainSsdeep(data []byte) string {
	block := minBlock
	for block*maxLength < len(data) {
		block *= 2
	}
	for ; ; block /= 2 {
		first, second := plainParts(data, uint32(block))
		if block == minBlock || len(first.ended) >= halfLength {
			return fmt.Sprintf("%d:%s:%s", block, first.text(), second.text())
		}
	}
}

// plainPart is a part of a digest.
type plainPart struct {
	most  int // letters
	hash  uint32
	ended []byte
	tail  []byte // the letter behind the letters of ended blocks
	rest  bool
}

func (p *plainPart) end() {
	letter := base64Letters[p.hash&63]
	if len(p.ended) == p.most-1 {
		p.tail = []byte{letter}
		return
	}
	p.ended, p.hash = append(p.ended, letter), 0x28021967
}

func (p *plainPart) text() []byte {
	if p.rest {
		p.tail = []byte{base64Letters[p.hash&63]}
	}
	return slices.Concat(p.ended, p.tail)
}

func plainParts(data []byte, block uint32) (first, second plainPart) {
	first, second = plainPart{most: maxLength, hash: 0x28021967}, plainPart{most: halfLength, hash: 0x28021967}
	var h1, h2, h3, sum uint32
	for i, c := range data {
		h2 += rollWindow*uint32(c) - h1
		h1 += uint32(c)
		if i >= rollWindow {
			h1 -= uint32(data[i-rollWindow])
		}
		h3 = h3<<5 ^ uint32(c)
		sum = h1 + h2 + h3
		first.hash, second.hash = first.hash*0x01000193^uint32(c), second.hash*0x01000193^uint32(c)
		if sum%block == block-1 {
			first.end()
		}
		if sum%(2*block) == 2*block-1 {
			second.end()
		}
	}
	first.rest, second.rest = sum != 0, sum != 0
	return first, second
}

// plainTLSH counts triplets as the description of TLSH says.
func plainTLSH(data []byte) (bucket [256]uint32, checksum uint8) {
	for i, a := range data {
		if i < 4 {
			continue
		}
		b, c, d, e := data[i-1], data[i-2], data[i-3], data[i-4]
		checksum = triplet(0, a, b, checksum)
		for _, of := range [][4]uint8{{2, a, b, c}, {3, a, b, d}, {5, a, c, d}, {7, a, c, e}, {11, a, b, e}, {13, a, d, e}} {
			bucket[triplet(of[0], of[1], of[2], of[3])]++
		}
	}
	return bucket, checksum
}

// FuzzDigesters gives ssdeep and TLSH data piece by piece and compares them with
// the plain ones.
func FuzzDigesters(f *testing.F) {
	r := rand.New(rand.NewPCG(8, 8))
	for _, n := range []int{0, 1, 4, 6, 7, 8, 300, 3000, 30_000, 100_000} {
		f.Add(withZeros(r, n)[:max(n, 1)], uint16(n))
		f.Add(bytes.Repeat([]byte("ab, a text that repeats;"), n/20+1), uint16(97))
		noise := make([]byte, n)
		for i := range noise {
			noise[i] = byte(r.Uint32())
		}
		f.Add(noise, uint16(r.Uint32()))
	}
	f.Fuzz(func(t *testing.T, data []byte, piece uint16) {
		s := newSsdeep(int64(len(data)))
		var u tlshState
		for at := 0; at < len(data); at += int(piece) + 1 {
			p := data[at:min(at+int(piece)+1, len(data))]
			s.Take(p)
			u.Take(p)
		}
		if got, want := s.digest(), plainSsdeep(data); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if bucket, checksum := plainTLSH(data); u.buckets() != bucket || u.checksum != checksum {
			t.Error("another TLSH than the plain one")
		}
	})
}

// TestSsdeepOfSizes compares digests around the sizes at which another block size is taken, of noise and of data with
// too few blocks for their size.
func TestSsdeepOfSizes(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for _, size := range []int{191, 192, 193, 3071, 3072, 3073, 24_576, 24_577, 100_000, 393_216, 393_217} {
		for _, letters := range []int{2, 3, 16, 256} {
			for range 5 {
				data := make([]byte, size)
				for i := range size / (1 + r.IntN(3)) {
					data[i] = byte(r.IntN(letters))
				}
				s := newSsdeep(int64(size))
				feedBlocks(s, data)
				if got, want := s.digest(), plainSsdeep(data); got != want {
					t.Errorf("%d bytes of %d letters: %s, want %s", size, letters, got, want)
				}
			}
		}
	}
}
