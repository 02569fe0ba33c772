package digest

import (
	"slices"

	"memlens/render/similarity"
)

// Likeness is how alike two files are, by each kind of digest; nil: one of the files has no such digest.
type Likeness struct {
	Exact      bool  `json:"exact"` // the same file
	Ssdeep     *int  `json:"ssdeep_score"`
	TLSH       *int  `json:"tlsh_distance"`
	Sdhash     *int  `json:"sdhash_score"`
	Confidence *int  `json:"sdhash_confidence"` // percent of sdhash's score that is left when nearly empty filters do not count
	Imphash    *bool `json:"imphash_equal"`
	Blocks     *int  `json:"blocks_found_percent"` // percent of the recovered file's blocks that the reference has
	Compared   int   `json:"blocks_compared"`      // number of different blocks of the recovered file
}

// Like compares the digests of a recovered file with a reference's. Files of which bytes are missing are never
// exactly the same: nobody knows that the missing bytes are the zeros in the other file.
func (d *Parsed) Like(o *Parsed) Likeness {
	out := Likeness{Exact: d.Size == o.Size && d.SHA256 == o.SHA256 && d.SHA256 != "" && d.Missing+o.Missing == 0, Compared: len(d.blocks)}
	if n, err := similarity.SsdeepScore(d.Ssdeep, o.Ssdeep); err == nil {
		out.Ssdeep = &n
	}
	if n, err := similarity.TLSHDistance(d.TLSH, o.TLSH); err == nil {
		out.TLSH = &n
	}
	out.sdhash(d.sdbf, o.sdbf)
	if d.Imphash != "" && o.Imphash != "" {
		equal := d.Imphash == o.Imphash
		out.Imphash = &equal
	}
	if len(d.blocks) > 0 {
		n := 100 * d.blocks.shared(o.blocks) / len(d.blocks)
		out.Blocks = &n
	}
	return out
}

// sdhash notes sdhash's score, and how much of it can be relied on.
func (l *Likeness) sdhash(a, b *similarity.SDBF) {
	if a == nil || b == nil {
		return
	}
	score := a.Score(b)
	if score < 0 {
		return
	}
	l.Sdhash = &score
	confidence := 100
	if score > 0 {
		confidence = 100 * min(max(a.SolidScore(b), 0), score) / score
	}
	l.Confidence = &confidence
}

// measure is one of the ways in which two files are found to be alike.
type measure struct {
	Name  string
	Value int // from 0 to 100
}

// The weights of measures.
const (
	sameImports    = 50 // equal import hashes
	evidence       = 4  // number of blocks with which the share of blocks found counts half
	agreesFrom     = 40 // a value from which a measure says that files are alike
	noTLSH         = 100
	mostUnlessSame = 99
)

// measures returns the values of all measures that are available. The share of blocks found counts less if few blocks
// could be compared: two blocks alone do not show which file they come from. The values of sdhash and TLSH count by
// the share of the file that was recovered: in a file in pieces, the similarity that they find may come from the
// missing bytes.
func (l *Likeness) measures(recovered float64) (out []measure) {
	if l.Blocks != nil {
		out = append(out, measure{"blocks", *l.Blocks * l.Compared / (l.Compared + evidence)})
	}
	if l.Ssdeep != nil {
		out = append(out, measure{"ssdeep", *l.Ssdeep})
	}
	if l.TLSH != nil {
		out = append(out, measure{"tlsh", int(recovered * float64(max(0, noTLSH-*l.TLSH)))})
	}
	if l.Sdhash != nil {
		out = append(out, measure{"sdhash", int(recovered * float64(*l.Sdhash**l.Confidence) / 100)})
	}
	if l.Imphash != nil {
		same := 0
		if *l.Imphash {
			same = sameImports
		}
		out = append(out, measure{"imphash", same})
	}
	return out
}

// Score sums a likeness up: from 0 to 100, which is the same file. Blocks of 512 bytes that are found again are proof
// by themselves, if there are enough. The other measures count when two measures agree: the score is then the smaller
// value.
func (l *Likeness) Score(recovered float64) int {
	if l.Exact {
		return 100
	}
	best, values := 0, []int{0, 0}
	for _, m := range l.measures(recovered) {
		if values = append(values, m.Value); m.Name == "blocks" {
			best = m.Value
		}
	}
	slices.Sort(values)
	return min(max(best, values[len(values)-2]), mostUnlessSame)
}

// Sum is the sum of all measures: of two likenesses with the same score, the one with more evidence has the larger
// sum.
func (l *Likeness) Sum(recovered float64) (sum int) {
	for _, m := range l.measures(recovered) {
		sum += m.Value
	}
	return sum
}

// Agreeing names the measures that say that the files are alike.
func (l *Likeness) Agreeing(recovered float64) (names []string) {
	for _, m := range l.measures(recovered) {
		if m.Value >= agreesFrom {
			names = append(names, m.Name)
		}
	}
	return names
}

// AllMeasures are the names that [Likeness.Agreeing] may give.
func AllMeasures() []string { return []string{"blocks", "ssdeep", "tlsh", "sdhash", "imphash"} }
