package similarity

import (
	"math/rand/v2"
	"testing"
)

// digestOf makes a digest of filters with so many features each; all but the last are full.
func digestOf(r *rand.Rand, features ...int) *SDBF {
	d := &SDBF{filters: make([]filter, len(features)), last: features[len(features)-1]}
	for i, n := range features {
		for range n {
			words := [hashesPerItem]uint32{r.Uint32(), r.Uint32(), r.Uint32(), r.Uint32(), r.Uint32()}
			setBits(d.filters[i].words[:], &words)
		}
	}
	d.weigh()
	return d
}

// crowd sets all bits of a filter, as the bits of features that do not count do.
func (d *SDBF) crowd(i int) *SDBF {
	for j := range d.filters[i].words {
		d.filters[i].words[j] = ^uint64(0)
	}
	d.weigh()
	return d
}

// TestSolidScore compares digests that share only filters that are like any other.
func TestSolidScore(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 17))
	file := digestOf(r, 160, 160, 160, 120)
	for _, c := range []struct {
		name                 string
		other                *SDBF
		least, most, solidly int // of sdhash's score, and the score that must be left
	}{
		{"itself", file, 100, 100, 100},
		{"another file", digestOf(r, 160, 160, 160, 160, 100), 0, 10, 10},
		{"a crowded full filter", digestOf(r, 160, 160, 160, 160, 100).crowd(2), 90, 100, 10},
		{"a crowded last filter", digestOf(r, 160, 160, 160, 160, 70).crowd(4), 90, 100, 10},
		{"crowded alone", digestOf(r, 160, 160, 160, 160, 160).crowd(0).crowd(1).crowd(2).crowd(3).crowd(4), 90, 100, -1},
		{"one small filter", digestOf(r, 20), 0, 100, -1},
	} {
		if got := file.Score(c.other); got < c.least || got > c.most {
			t.Errorf("%s: the score is %d, want %d to %d", c.name, got, c.least, c.most)
		}
		got, back := file.SolidScore(c.other), c.other.SolidScore(file)
		if got > c.solidly || got < min(c.solidly, 0) || c.solidly == 100 && got != 100 || got != back {
			t.Errorf("%s: the solid score is %d, and %d the other way round, want %d", c.name, got, back, c.solidly)
		}
	}
}
