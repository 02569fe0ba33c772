package digest

import (
	"reflect"
	"testing"
)

func TestScore(t *testing.T) {
	n := func(v int) *int { return &v }
	yes, no := true, false
	for _, c := range []struct {
		name      string
		like      Likeness
		recovered float64
		want      int
		agreeing  []string
	}{
		{"nothing is known", Likeness{}, 1, 0, nil},
		{"the same file", Likeness{Exact: true}, 1, 100, nil},
		{"all blocks of many", Likeness{Blocks: n(100), Compared: 10000}, 1, 99, []string{"blocks"}},
		{"all blocks of few", Likeness{Blocks: n(100), Compared: 4}, 1, 50, []string{"blocks"}},
		{"the only block", Likeness{Blocks: n(100), Compared: 1}, 1, 20, nil},
		{"all blocks of a file in pieces", Likeness{Blocks: n(100), Compared: 300, Ssdeep: n(0), TLSH: n(300), Imphash: &yes}, 0.1, 98, []string{"blocks", "imphash"}},
		{"sdhash alone", Likeness{Blocks: n(0), Compared: 300, Ssdeep: n(0), TLSH: n(400), Sdhash: n(100), Confidence: n(100), Imphash: &no}, 1, 0, []string{"sdhash"}},
		{"sdhash without confidence", Likeness{Sdhash: n(100), Confidence: n(3), TLSH: n(20), Blocks: n(0), Compared: 100}, 1, 3, []string{"tlsh"}},
		{"imports alone", Likeness{Imphash: &yes, Blocks: n(0), Compared: 100}, 1, 0, []string{"imphash"}},
		{"two that agree", Likeness{Ssdeep: n(70), TLSH: n(40), Blocks: n(0), Compared: 100}, 1, 60, []string{"ssdeep", "tlsh"}},
		{"two that agree of a half", Likeness{Ssdeep: n(70), TLSH: n(40)}, 0.5, 30, []string{"ssdeep"}},
		{"imports and another", Likeness{Ssdeep: n(90), Imphash: &yes}, 1, 50, []string{"ssdeep", "imphash"}},
		{"never 100 by scores", Likeness{Ssdeep: n(100), TLSH: n(0), Sdhash: n(100), Confidence: n(100), Blocks: n(100), Compared: 1 << 20}, 1, 99, []string{"blocks", "ssdeep", "tlsh", "sdhash"}},
		{"an empty file", Likeness{Ssdeep: n(100), TLSH: n(0), Sdhash: n(100), Confidence: n(100)}, 0, 0, []string{"ssdeep"}},
	} {
		if got := c.like.Score(c.recovered); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
		got := c.like.Agreeing(c.recovered)
		if !reflect.DeepEqual(got, c.agreeing) {
			t.Errorf("%s: %v agree, want %v", c.name, got, c.agreeing)
		}
	}
	all := Likeness{Ssdeep: n(100), TLSH: n(0), Sdhash: n(100), Confidence: n(100), Blocks: n(100), Compared: 100, Imphash: &yes}
	if got := all.Agreeing(1); !reflect.DeepEqual(got, AllMeasures()) {
		t.Errorf("%v agree of %v", got, AllMeasures())
	}
}

// TestMissingBytesAreNotTheSame compares files of the same bytes, of which some are missing and so read as zeros.
func TestMissingBytesAreNotTheSame(t *testing.T) {
	file := func(missing int64) *Parsed { return &Parsed{Digests: Digests{Size: 10, SHA256: "x", Missing: missing}} }
	for _, c := range []struct {
		ours, theirs int64
		want         bool
	}{{0, 0, true}, {1, 0, false}, {0, 1, false}, {1, 1, false}} {
		if got := file(c.ours).Like(file(c.theirs)).Exact; got != c.want {
			t.Errorf("%d and %d bytes missing: %v, want %v", c.ours, c.theirs, got, c.want)
		}
	}
}
