package stack

import (
	"cmp"
	"slices"
)

// identify divides sightings with the same key into groups of one file each.
func identify(sightings []Sighting) []*group {
	if f := sightings[0].File; f.Authentihash == "" && f.SHA256 == "" {
		return clusters(sightings)
	}
	whole := map[string]*group{}
	var rest []Sighting
	for _, s := range sightings {
		sum := s.File.SHA256
		if sum == "" {
			rest = append(rest, s)
			continue
		}
		if whole[sum] == nil {
			whole[sum] = &group{kind: BySHA256, identity: sum}
		}
		whole[sum].of = append(whole[sum].of, s)
	}
	out := inOrder(whole)
	switch {
	case len(rest) == 0:
	case len(out) == 1: // the signed part belongs to only one file
		out[0].of = append(out[0].of, rest...)
		slices.SortFunc(out[0].of, compareSightings)
	default:
		out = append(out, &group{kind: ByAuthentihash, identity: rest[0].File.Authentihash, of: rest})
	}
	return out
}

func inOrder(groups map[string]*group) (out []*group) {
	for _, g := range groups {
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b *group) int { return cmp.Compare(a.identity, b.identity) })
	return out
}
