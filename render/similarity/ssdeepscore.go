package similarity

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrDigest is in the chain of every error about a digest that cannot be read.
var ErrDigest = errors.New("not a digest of this kind")

// SsdeepScore returns how alike the files of two ssdeep digests are, from 0
// to 100, as ssdeep says. Digests of block sizes too far apart score 0.
func SsdeepScore(a, b string) (int, error) {
	p, err := parseSsdeep(a)
	if err != nil {
		return 0, err
	}
	q, err := parseSsdeep(b)
	if err != nil {
		return 0, err
	}
	switch {
	case p.block == q.block && p.part == q.part:
		return 100, nil
	case p.block == q.block:
		return max(scoreParts(p.part[0], q.part[0], p.block), scoreParts(p.part[1], q.part[1], 2*p.block)), nil
	case 2*p.block == q.block:
		return scoreParts(p.part[1], q.part[0], q.block), nil
	case p.block == 2*q.block:
		return scoreParts(p.part[0], q.part[1], p.block), nil
	}
	return 0, nil
}

// ssdeepDigest is a digest taken apart.
type ssdeepDigest struct {
	block int64
	part  [2]string // without runs of more than three equal letters
}

func parseSsdeep(s string) (d ssdeepDigest, err error) {
	s, _, _ = strings.Cut(s, ",") // a file name may follow
	fields := strings.Split(s, ":")
	if len(fields) != 3 {
		return d, fmt.Errorf("similarity: ssdeep %.80q: %w", s, ErrDigest)
	}
	d.block, err = strconv.ParseInt(fields[0], 10, 64)
	if err != nil || d.block < minBlock || d.block > minBlock<<(ssdeepLevels-1) {
		return d, fmt.Errorf("similarity: ssdeep %.80q: block size: %w", s, ErrDigest)
	}
	for i := range d.part {
		if len(fields[i+1]) > maxLength {
			return d, fmt.Errorf("similarity: ssdeep %.80q: more than %d letters: %w", s, maxLength, ErrDigest)
		}
		d.part[i] = shortenRuns(fields[i+1])
	}
	return d, nil
}

// shortenRuns cuts runs of equal letters to three: longer runs say little.
func shortenRuns(s string) string {
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		if i < 3 || s[i] != s[i-1] || s[i] != s[i-2] || s[i] != s[i-3] {
			out = append(out, s[i])
		}
	}
	return string(out)
}

// scoreParts compares the parts of two digests with the same block size.
func scoreParts(a, b string, block int64) int {
	if !haveCommon(a, b) {
		return 0
	}
	score := editDistance(a, b) * maxLength / (len(a) + len(b))
	score = 100 - 100*score/maxLength
	if block >= (99+rollWindow)/rollWindow*minBlock {
		return score
	}
	// Small blocks: a match of so few bytes must not count for much.
	return min(score, int(block/minBlock)*min(len(a), len(b)))
}

// haveCommon reports whether a piece of rollWindow letters is in both.
func haveCommon(a, b string) bool {
	for i := 0; i+rollWindow <= len(a); i++ {
		if strings.Contains(b, a[i:i+rollWindow]) {
			return true
		}
	}
	return false
}

// editDistance returns the cost of making a from b: 1 for an added or removed letter, 2 for a changed letter.
func editDistance(a, b string) int {
	above := make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	row := make([]int, len(b)+1)
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			change := above[j]
			if a[i] != b[j] {
				change += 2
			}
			row[j+1] = min(above[j+1]+1, row[j]+1, change)
		}
		above, row = row, above
	}
	return above[len(b)]
}
