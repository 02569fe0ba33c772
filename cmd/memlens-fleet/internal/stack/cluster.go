package stack

import (
	"maps"
	"slices"

	"memlens/render/similarity"
)

// near is how far TLSH digests of files of one name are apart at most that are taken to be alike. Of 60 executables of Windows,
// two copies that lack each a page of twenty, at random, are 14 apart in the median and 31 at the ninetieth percentile; of the pairs
// of different ones one of twenty is nearer than 96. In the paper of TLSH (Oliver, Cheng, Chen 2013), 0.07 % of the pairs of unlike
// files are nearer than 40. What lacks more is torn into several clusters, and seems rarer than it is: that is looked at once
// more, while what is wrongly put together is not looked at.
const near = 30

// maxCompared bounds the digests of one name that are compared with each other: what is over it is in clusters of equal digests
// alone.
const maxCompared = 4000

// clusters parts the sightings of one name, of which no more is known, into those that are alike. What has another size is another
// file.
func clusters(sightings []Sighting) (out []*group) {
	bySize := map[int64][]Sighting{}
	for _, s := range sightings {
		bySize[s.File.Size] = append(bySize[s.File.Size], s)
	}
	for _, size := range slices.Sorted(maps.Keys(bySize)) {
		out = append(out, clustersOfSize(bySize[size])...)
	}
	return out
}

// clustersOfSize puts what is near one of a cluster into it: so it does not matter in which order they come.
func clustersOfSize(sightings []Sighting) (out []*group) {
	by := map[string][]Sighting{}
	for _, s := range sightings {
		by[s.File.TLSH] = append(by[s.File.TLSH], s)
	}
	if nameless := by[""]; nameless != nil {
		out = append(out, &group{kind: ByName, identity: fold(nameless[0].File.Name), of: nameless})
		delete(by, "")
	}
	for _, members := range connected(slices.Sorted(maps.Keys(by))) {
		g := &group{kind: ByTLSH, identity: members[0], spread: spread(members)}
		for _, d := range members {
			g.of = append(g.of, by[d]...)
		}
		slices.SortFunc(g.of, compareSightings)
		out = append(out, g)
	}
	return out
}

// connected returns the clusters of digests that are in order, each in order.
func connected(digests []string) (out [][]string) {
	left := slices.Clone(digests)
	for len(left) > 0 {
		cluster := left[:1:1]
		left = left[1:]
		if len(digests) <= maxCompared {
			for i := 0; i < len(cluster); i++ { // it grows
				left = slices.DeleteFunc(left, func(d string) bool {
					if !alike(cluster[i], d) {
						return false
					}
					cluster = append(cluster, d)
					return true
				})
			}
		}
		slices.Sort(cluster)
		out = append(out, cluster)
	}
	return out
}

func alike(a, b string) bool {
	n, err := similarity.TLSHDistance(a, b)
	return err == nil && n <= near
}

// spread returns how far the members of a cluster are apart at most, of the first of them.
func spread(members []string) (most int) {
	members = members[:min(len(members), 200)]
	for i, a := range members {
		for _, b := range members[i+1:] {
			if n, err := similarity.TLSHDistance(a, b); err == nil {
				most = max(most, n)
			}
		}
	}
	return most
}
