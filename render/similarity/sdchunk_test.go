package similarity

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// plainFeatures is sdhash's choice of features with the whole chunk in memory:
// first all ranks, then all points, then the features.
func plainFeatures(data []byte) (offsets []int64) {
	n := len(data)
	rank, points := make([]uint16, n), make([]int, n)
	var count [256]int
	for i := range n - sdWindow {
		entropy := 0
		for _, b := range data[i : i+sdWindow] {
			count[b]++
		}
		for _, b := range data[i : i+sdWindow] {
			entropy += int(entropyOf[count[b]])
			count[b] = 0
		}
		if r := entropy>>rankShift - firstRanked; r >= 0 && r < len(entropyRanks) {
			rank[i] = entropyRanks[r]
		}
	}
	winner, best := 0, uint16(0)
	for i := 0; i < n-sdWindow; i++ {
		for i > 0 && best > 0 && i < winner && rank[i+sdWindow] >= best {
			if rank[i+sdWindow] == best {
				winner = i + sdWindow
			}
			points[winner]++
			i++
		}
		winner, best = i, rank[i]
		for j := i + 1; j < i+sdWindow; j++ {
			switch {
			case rank[j] < best && rank[j] > 0:
				winner, best = j, rank[j]
			case rank[j] == best && winner == j-1:
				winner = j
			}
		}
		if best > 0 {
			points[winner]++
		}
	}
	for i := range n - sdWindow {
		if points[i] > sdThreshold {
			offsets = append(offsets, int64(i))
		}
	}
	return offsets
}

// TestFeaturesOfStretches compares the choice that is made stretch by stretch with the plain one, at sizes around
// multiples of a stretch.
func TestFeaturesOfStretches(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for _, n := range []int{512, 513, sdStretch - 1, sdStretch, sdStretch + sdWindow, sdStretch + 2*sdWindow, sdStretch + 2*sdWindow + 1, 2*sdStretch + 777} {
		for _, letters := range []int{2, 256} {
			data := make([]byte, n)
			for i := range data {
				data[i] = byte(r.IntN(letters))
				if i%5000 < 1000 {
					data[i] = byte(i / 5000)
				}
			}
			got, want := featuresOf(data), plainTold(data)
			if !slices.EqualFunc(got, want, bytes.Equal) {
				t.Errorf("%d bytes of %d letters: %d features, want %d", n, letters, len(got), len(want))
			}
		}
	}
}

// FuzzFeatures gives a chunk data piece by piece, runs of zeros through TakeZeros, and compares its choice with the
// plain one.
func FuzzFeatures(f *testing.F) {
	r := rand.New(rand.NewPCG(6, 6))
	f.Add([]byte("x"), uint16(1), uint16(0))
	for _, n := range []int{63, 64, 65, 300, sdHeld - 1, sdHeld, sdHeld + 1, 3 * sdStretch} {
		f.Add(withZeros(r, n, 200), uint16(n), uint16(n))
		f.Add(bytes.Repeat([]byte("ab, a text that repeats;"), n/20+1), uint16(97), uint16(2000))
	}
	f.Fuzz(func(t *testing.T, data []byte, piece, zeros uint16) {
		data, zeros = data[:min(len(data), 4*sdStretch)], zeros%2048
		var got [][]byte
		c := newChunk(func(p []byte) { got = append(got, bytes.Clone(p)) })
		for range 2 { // it begins anew
			got = nil
			for at := 0; at < len(data); at += int(piece) + 1 {
				c.Take(data[at:min(at+int(piece)+1, len(data))])
			}
			c.TakeZeros(int64(zeros))
			c.Take(data)
			c.end()
		}
		want := plainTold(slices.Concat(data, make([]byte, zeros), data))
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("%d features, want %d", len(got), len(want))
		}
	})
}

// TestLowest compares the search in words with the plain one.
func TestLowest(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for n := range 20_000 {
		var window [sdWindow]uint16
		for i := range window {
			if window[i] = uint16(100+r.IntN(1+n%900)) << rankSpare; r.IntN(8) == 0 && i > 0 {
				window[i] = unranked
			}
		}
		at, best := 0, window[0]
		for i, rank := range window {
			if rank < best || rank == best && at == i-1 {
				at, best = i, rank
			}
		}
		if gotAt, got := lowest(&window); gotAt != at || got != best {
			t.Fatalf("%d at %d, want %d at %d, of %v", got, gotAt, best, at, window)
		}
	}
}

// TestEntropyOf checks the table of entropies against its definition.
func TestEntropyOf(t *testing.T) {
	for n := 1; n <= sdWindow; n++ {
		p := float64(n) / sdWindow
		if want := -p * math.Log2(p) / 6 * entropyScale; math.Abs(float64(entropyOf[n])-math.Floor(want+1e-6)) > 0 {
			t.Errorf("%d of %d: %d, want %f", n, sdWindow, entropyOf[n], want)
		}
	}
}

// TestLengthTops checks the table of lengths against its definition.
func TestLengthTops(t *testing.T) {
	class := func(n int64) float64 {
		switch x := math.Log(float64(float32(n))); {
		case n <= 656:
			return math.Floor(x / 0.4054651)
		case n <= 3199:
			return math.Floor(x/0.26236426 - 8.72777)
		default:
			return math.Floor(x/0.095310180 - 62.5472)
		}
	}
	for i, top := range lengthTops {
		if class(top) != float64(i) || class(top+1) == float64(i) && float32(top) != float32(top+1) {
			t.Errorf("class %d ends at %d, which is of %f, before one of %f", i, top, class(top), class(top+1))
		}
	}
}
