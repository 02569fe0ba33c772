package similarity

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// maxFilters bounds a digest that is read: it is enough for a file of some 10 GiB.
const maxFilters = 1 << 20

// String returns the digest in sdhash's text format, without the end of line.
func (d *SDBF) String() string {
	raw := make([]byte, 0, len(d.filters)*filterSize)
	for i := range d.filters {
		for _, w := range d.filters[i].words {
			raw = binary.LittleEndian.AppendUint64(raw, w)
		}
	}
	return fmt.Sprintf("sdbf:03:%d:%s:%d:sha1:%d:%d:7ff:%d:%d:%d:%s", len(d.Name), d.Name, d.Size,
		filterSize, hashesPerItem, filterMax, len(d.filters), d.last, base64.StdEncoding.EncodeToString(raw))
}

// ParseSDBF reads a digest in sdhash's text format, in stream mode. An error
// has [ErrDigest] in its chain.
func ParseSDBF(s string) (*SDBF, error) {
	d, err := parseSDBF(strings.TrimRight(s, "\r\n"))
	if err != nil {
		return nil, fmt.Errorf("similarity: sdbf %.60q: %w: %w", s, err, ErrDigest)
	}
	return d, nil
}

func parseSDBF(s string) (*SDBF, error) {
	rest, ok := strings.CutPrefix(s, "sdbf:03:")
	if !ok {
		return nil, fmt.Errorf("does not begin with sdbf:03")
	}
	length, rest, _ := strings.Cut(rest, ":")
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 || n >= len(rest) || rest[n] != ':' {
		return nil, fmt.Errorf("length of the name is %q", length)
	}
	d := &SDBF{Name: rest[:n]}
	f := strings.Split(rest[n+1:], ":")
	if len(f) != 9 || f[1] != "sha1" || f[2] != "256" || f[3] != "5" || f[4] != "7ff" || f[5] != "160" {
		return nil, fmt.Errorf("parameters are other than sha1:256:5:7ff:160")
	}
	if d.Size, err = strconv.ParseInt(f[0], 10, 64); err != nil || d.Size < 0 {
		return nil, fmt.Errorf("size of the file is %q", f[0])
	}
	count, err := strconv.Atoi(f[6])
	if err != nil || count < 1 || count > maxFilters {
		return nil, fmt.Errorf("number of filters is %q", f[6])
	}
	if d.last, err = strconv.Atoi(f[7]); err != nil || d.last < 0 || d.last > filterMax {
		return nil, fmt.Errorf("features of the last filter are %q", f[7])
	}
	return d, d.decode(f[8], count)
}

// decode reads the filters, whose number the header claims.
func (d *SDBF) decode(text string, count int) error {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != count*filterSize {
		return fmt.Errorf("%d letters are not %d filters in base 64", len(text), count)
	}
	d.filters = make([]filter, count)
	for i := range d.filters {
		for j := range d.filters[i].words {
			d.filters[i].words[j] = binary.LittleEndian.Uint64(raw[i*filterSize+8*j:])
		}
	}
	d.weigh()
	return nil
}

// minFeatures is how many features a filter needs to be compared.
const minFeatures = 16

// features returns the number of features in filter i.
func (d *SDBF) features(i int) int {
	if i < len(d.filters)-1 {
		return filterMax
	}
	return d.last
}

// Score returns how alike the files of two digests are, as sdhash says: from 0 to 100, or −1 if there are too few
// features to tell. Each filter of the shorter digest counts with its best match in the longer.
func (d *SDBF) Score(other *SDBF) int { return d.scoreOf(other, (*SDBF).comparable) }

// SolidScore is Score by only the filters that can tell files apart; −1 if one of the digests has none. A filter with
// few features is like any full filter. So is a crowded filter, which has more bits than its features have set:
// sdhash also adds the bits of features that it does not count because it has seen them before. For files with such
// filters, sdhash gives 100 although they have nothing to do with each other.
func (d *SDBF) SolidScore(other *SDBF) int {
	if !d.anySolid() || !other.anySolid() {
		return -1
	}
	return d.scoreOf(other, (*SDBF).solid)
}

// comparable reports whether sdhash compares filter i.
func (d *SDBF) comparable(i int) bool { return d.features(i) >= minFeatures }

// solid reports whether filter i can tell files apart.
func (d *SDBF) solid(i int) bool {
	n := d.features(i)
	return n >= filterMax/2 && d.filters[i].weight <= n*hashesPerItem
}

func (d *SDBF) anySolid() bool {
	for i := range d.filters {
		if d.solid(i) {
			return true
		}
	}
	return false
}

// scoreOf is the score by the filters that count. A digest of one filter counts that filter in any case; a digest of
// more filters leaves out filters that do not count.
func (d *SDBF) scoreOf(other *SDBF, counts func(*SDBF, int) bool) int {
	a, b := d, other
	if a.comesAfter(b) {
		a, b = b, a
	}
	sum, left := -1.0, 0
	for i, best := range a.bestMatches(b, counts) {
		if sum < 0 {
			sum = best
		} else {
			sum += best
		}
		if !counts(a, i) {
			left++
		}
	}
	n := len(a.filters)
	if n > 1 {
		n -= left
	}
	if sum < 0 || n == 0 {
		return -1
	}
	return int(math.Round(100 * sum / float64(n)))
}

// comesAfter reports whether sdhash looks for the filters of the other digest in this one, and not the other way
// round. It does if this digest has more filters. With equal numbers, it does if this digest has more features in its
// last filter, or a greater name.
func (d *SDBF) comesAfter(o *SDBF) bool {
	if n, m := len(d.filters), len(o.filters); n != m {
		return n > m
	}
	return d.last > o.last || d.Name > o.Name
}

// matchedAtOnce is how many filters are compared with all others at once: they
// stay in the processor's nearest cache.
const matchedAtOnce = 16

// bestMatches returns how well each filter matches its best match in another digest, from 0 to 1; −1 if that digest
// has no filter to compare. The filter in the same place is tried first: if it matches well, few others can match
// better, and for most of the others this shows early. Filters that do not count match nothing.
func (d *SDBF) bestMatches(o *SDBF, counts func(*SDBF, int) bool) []float64 {
	best := make([]float64, len(d.filters))
	ours, theirs := make([]bool, len(d.filters)), make([]bool, len(o.filters))
	for i := range theirs {
		theirs[i] = counts(o, i)
	}
	for i := range best {
		if ours[i] = counts(d, i); !ours[i] {
			continue
		}
		best[i] = -1
		if j := i * len(o.filters) / len(d.filters); theirs[j] {
			d.match(i, o, j, &best[i])
		}
	}
	for from := 0; from < len(best); from += matchedAtOnce {
		to := min(from+matchedAtOnce, len(best))
		for j := range o.filters {
			for i := from; i < to && theirs[j]; i++ {
				if ours[i] {
					d.match(i, o, j, &best[i])
				}
			}
		}
	}
	return best
}

// match notes how well filter i matches filter j of another digest, if that is
// better than the best.
func (d *SDBF) match(i int, o *SDBF, j int, best *float64) {
	a, b := d.features(i), o.features(j)
	cutoff := filterCutoffs[4096/(a+b)]
	*best = max(*best, d.filters[i].match(&o.filters[j], cutoff, *best))
}

// matchSlack is how far a part of two filters may lag behind the cutoff.
const matchSlack = 48

// match returns how many bits two filters share beyond the cutoff, as a part of the bits that they could share. It is
// 0 if the first eighth, quarter or half of the filters shares too few bits. It may also be 0 if the match cannot be
// better than best.
func (f *filter) match(o *filter, cutoff int, best float64) float64 {
	could := min(f.weight, o.weight) - cutoff
	least := cutoff // more shared bits than this are needed
	if best > 0 && could > 0 {
		least += max(int(best*float64(could))-1, 0)
	}
	const eighth, quarter, half = filterWords / 8, filterWords / 4, filterWords / 2
	shared := f.shares(o, 0, eighth)
	if 8*shared+matchSlack < cutoff || shared+min(f.rest[0], o.rest[0]) <= least {
		return 0
	}
	shared += f.shares(o, eighth, quarter)
	if 4*shared+matchSlack < cutoff || shared+min(f.rest[1], o.rest[1]) <= least {
		return 0
	}
	shared += f.shares(o, quarter, half)
	if 2*shared+matchSlack < cutoff || shared+min(f.rest[2], o.rest[2]) <= least {
		return 0
	}
	if shared += f.shares(o, half, filterWords); shared <= least {
		return 0
	}
	return float64(shared-cutoff) / float64(could)
}

// shares returns how many bits of some words, a multiple of four, two filters share.
func (f *filter) shares(o *filter, from, to int) (n int) {
	for i := from; i < to; i += 4 {
		a, b := (*[4]uint64)(f.words[i:]), (*[4]uint64)(o.words[i:])
		n += bits.OnesCount64(a[0]&b[0]) + bits.OnesCount64(a[1]&b[1]) + bits.OnesCount64(a[2]&b[2]) + bits.OnesCount64(a[3]&b[3])
	}
	return n
}
