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
	for i := range n - sdWindow {
		var count [256]int
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

// TestFeaturesOfStretches compares the choice made stretch by stretch, at
// sizes around those of the stretches.
func TestFeaturesOfStretches(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for _, n := range []int{512, 513, sdBlock - 1, sdBlock, sdBlock + sdWindow, sdBlock + 2*sdWindow, sdBlock + 2*sdWindow + 1, 2*sdBlock + 777} {
		for _, letters := range []int{2, 256} {
			data := make([]byte, n)
			for i := range data {
				data[i] = byte(r.IntN(letters))
				if i%5000 < 1000 {
					data[i] = byte(i / 5000)
				}
			}
			var got [][]byte
			c := newChunk(bytes.NewReader(data), 0, int64(n), func(p []byte) { got = append(got, bytes.Clone(p)) })
			if err := c.run(); err != nil {
				t.Fatal(err)
			}
			var want [][]byte
			for _, off := range plainFeatures(data) {
				want = append(want, data[off:off+sdWindow])
			}
			if !slices.EqualFunc(got, want, bytes.Equal) {
				t.Errorf("%d bytes of %d letters: %d features, want %d", n, letters, len(got), len(want))
			}
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
