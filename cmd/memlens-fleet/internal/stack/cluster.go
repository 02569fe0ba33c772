package stack

import (
	"maps"
	"slices"

	"memlens/render/similarity"
)

// near is the largest distance of TLSH digests of files with one name that are taken for similar. Measured on 60
// executables of Windows: two copies that each lack one page of twenty, at random, are 14 apart in the median and 31
// at the ninetieth percentile; one of twenty pairs of different executables is nearer than 96. In the paper of TLSH
// (Oliver, Cheng, Chen 2013), 0.07 % of the pairs of unlike files are nearer than 40. A file that lacks more pages
// falls into several clusters, and seems rarer than it is. That is the smaller harm: people look at it once more, but
// they do not look at files that are wrongly put together.
const near = 30

// maxCompared bounds the digests of one name that are compared with each other: all further digests are in clusters
// with equal digests only.
const maxCompared = 4000

// clusters divides the sightings of one name, whose files are not identified otherwise, into clusters of similar
// files. Files of different sizes are different files.
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

// clustersOfSize puts a sighting into a cluster if it is near any member: so the order of the sightings does not
// matter.
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
			for i := 0; i < len(cluster); i++ { // cluster grows in the loop
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

// spread returns the largest distance between members of a cluster; it looks only at the first members.
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
