package similarity

import (
	"math/bits"
	"math/rand/v2"
	"testing"
)

// plainMatch is how well two filters match, with nothing left out.
func plainMatch(a, b *filter, cutoff int) float64 {
	shared, weights := 0, [2]int{}
	for i := range a.words {
		if (i == 4 || i == 8 || i == 16) && filterWords/i*shared+matchSlack < cutoff {
			return 0
		}
		shared += bits.OnesCount64(a.words[i] & b.words[i])
	}
	for i := range a.words {
		weights[0] += bits.OnesCount64(a.words[i])
		weights[1] += bits.OnesCount64(b.words[i])
	}
	if shared <= cutoff {
		return 0
	}
	return float64(shared-cutoff) / float64(min(weights[0], weights[1])-cutoff)
}

// TestMatchesAreThePlainOnes compares the best matches of partly similar digests.
func TestMatchesAreThePlainOnes(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 10))
	random := func(n int) *SDBF {
		d := &SDBF{filters: make([]filter, n), last: r.IntN(filterMax + 1)}
		for i := range d.filters {
			for range d.features(i) * hashesPerItem {
				d.filters[i].words[r.IntN(filterWords)] |= 1 << r.IntN(64)
			}
		}
		return d
	}
	for range 200 {
		a, b := random(1+r.IntN(40)), random(1+r.IntN(40))
		for range r.IntN(40) { // some filters of one digest come from the other, with more or fewer of their bits
			from, to := r.IntN(len(a.filters)), r.IntN(len(b.filters))
			for i := range filterWords {
				switch r.IntN(6) {
				case 0:
					b.filters[to].words[i] |= a.filters[from].words[i]
				case 1:
				default:
					b.filters[to].words[i] = a.filters[from].words[i]
				}
			}
		}
		a.weigh()
		b.weigh()
		got := a.bestMatches(b, (*SDBF).comparable)
		for i := range a.filters {
			want := -1.0
			if a.features(i) < minFeatures {
				want = 0
			}
			for j := range b.filters {
				if a.features(i) >= minFeatures && b.features(j) >= minFeatures {
					want = max(want, plainMatch(&a.filters[i], &b.filters[j], filterCutoffs[4096/(a.features(i)+b.features(j))]))
				}
			}
			if got[i] != want {
				t.Fatalf("filter %d of %d: %f, want %f", i, len(a.filters), got[i], want)
			}
		}
	}
}
