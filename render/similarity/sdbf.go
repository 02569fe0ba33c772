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

// maxFilters bounds a digest that is read: that of a file of some 10 GiB.
const maxFilters = 1 << 20

// String returns the digest in sdhash's text format, without the end of line.
func (d *SDBF) String() string {
	raw := make([]byte, 0, len(d.filters)*filterSize)
	for i := range d.filters {
		raw = append(raw, d.filters[i].bits[:]...)
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
		copy(d.filters[i].bits[:], raw[i*filterSize:])
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

// Score returns how alike the files of two digests are, as sdhash says: from
// 0 to 100, or −1 where there are too few features to tell. Each filter of the
// shorter digest counts with its best match in the longer.
func (d *SDBF) Score(other *SDBF) int {
	a, b := d, other
	if a.comesAfter(b) {
		a, b = b, a
	}
	sum, sparse := -1.0, 0
	for i := range a.filters {
		best := a.bestMatch(i, b)
		if sum < 0 {
			sum = best
		} else {
			sum += best
		}
		if a.features(i) < minFeatures {
			sparse++
		}
	}
	n := len(a.filters)
	if n > 1 {
		n -= sparse
	}
	if sum < 0 || n == 0 {
		return -1
	}
	return int(math.Round(100 * sum / float64(n)))
}

// comesAfter reports whether sdhash would compare the other digest with this
// one, not this with the other: the one with more filters, features or, all
// being equal, the greater name is compared with.
func (d *SDBF) comesAfter(o *SDBF) bool {
	if n, m := len(d.filters), len(o.filters); n != m {
		return n > m
	}
	return d.last > o.last || d.Name > o.Name
}

// bestMatch returns how well filter i matches the filter of another digest
// that it matches best, from 0 to 1; −1 where that has none to compare.
func (d *SDBF) bestMatch(i int, o *SDBF) float64 {
	if d.features(i) < minFeatures {
		return 0
	}
	best := -1.0
	for j := range o.filters {
		if o.features(j) >= minFeatures {
			cutoff := filterCutoffs[4096/(d.features(i)+o.features(j))]
			best = max(best, d.filters[i].match(&o.filters[j], cutoff))
		}
	}
	return best
}

// matchSlack is how far a part of two filters may lag behind the cutoff.
const matchSlack = 48

// match returns how many bits two filters share, beyond the cutoff, as a part
// of those that they could. Where the first eighth, quarter or half of the
// filters promises too little, that is nothing.
func (f *filter) match(o *filter, cutoff int) float64 {
	shared := 0
	for i := 0; i < filterSize; i += 8 {
		if part := filterSize / max(i, 1); (i == 32 || i == 64 || i == 128) && part*shared+matchSlack < cutoff {
			return 0
		}
		shared += bits.OnesCount64(binary.LittleEndian.Uint64(f.bits[i:]) & binary.LittleEndian.Uint64(o.bits[i:]))
	}
	if shared <= cutoff {
		return 0
	}
	return float64(shared-cutoff) / float64(min(f.weight, o.weight)-cutoff)
}
