package fs_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"memlens/fs"
	"memlens/memimage"
	"memlens/memimage/reference"
	"memlens/memimage/synth/campaign"
	"memlens/memimage/synth/corpus"
)

// campaignShared are the reference images that are damaged, too, where they are there and the campaign is a long one.
var campaignShared = []string{"WinXPSP2x86", "WinXPSP3x86PAE", "Win7SP1x64", "Win10x64_19041"}

// campaignFound are variants of built systems that went wrong once.
var campaignFound = map[string][]int{
	"Win7SP1x86": {512, 725}, // a kernel that was inferred from System alone had no page tables: a panic
}

// TestHostileImages damages images in their structures: pointers, sizes, lists that lead back into themselves, page
// tables, headers, pool allocations, descriptors of address ranges, environments; pages zeroed, copied and swapped. It
// opens each variant and reads its whole tree. Nothing panics, hangs, or takes more memory than an image may. Each
// listed file opens, and is read to its size without an error. A second reading, of the image opened anew, backwards
// and in small blocks, gives the same. The pictures take the most time, and are made from the contents of the other
// files: in two of three variants they are read once.
//
// An ordinary run makes a few variants, always the same, and the variants that once failed. By hand, as package
// campaign
// says, with the shared images, too:
//
//	MEMLENS_CAMPAIGN=1000 go test ./fs -run TestHostileImages -v -timeout 0    that many variants of each image
//	MEMLENS_CAMPAIGN_SEED=1234 go test ./fs -run TestHostileImages/Win7SP1x64 -v    the variant of that seed
func TestHostileImages(t *testing.T) {
	corpus.Long(t)
	plan := campaign.Planned(t, 4, 2)
	defer campaign.LimitMemory()()
	for _, name := range builtSystems {
		seeds := plan.Seeds
		if !plan.Long {
			seeds = slices.Concat(seeds, campaignFound[name])
		}
		t.Run(name, func(t *testing.T) { campaignOn(t, buildSubject(t, name), seeds) })
	}
	for _, name := range campaignStores {
		t.Run(name+" with a store", func(t *testing.T) { campaignOn(t, buildStoreSubject(t, name), plan.Seeds) })
	}
	for _, name := range campaignShared {
		t.Run("shared-"+name, func(t *testing.T) {
			if !plan.Long {
				t.Skip("a long campaign only")
			}
			campaignOn(t, sharedSubject(t, name), plan.Seeds)
		})
	}
}

func campaignOn(t *testing.T, s *subject, seeds []int) {
	refs := writeOriginals(t, s)
	sum := campaign.Run(t, seeds, func(t *testing.T, seed int) int { return surveyVariant(t, s, seed, refs) })
	t.Logf("%s: %s", s.name, sum)
	if n := sum.Variants; n >= 10 && sum.Opened == 0 || n > 1000 && sum.Opened == n {
		t.Errorf("the damage is too much or too little: %s", sum)
	}
}

// surveyVariant makes a variant, opens it and reads its tree twice. It returns how many files there are, 0 when the image is
// refused.
func surveyVariant(t *testing.T, s *subject, seed int, refs *reference.Set) (files int) {
	rng := rand.New(rand.NewPCG(uint64(seed), 1))
	m := newMutant(s.mem)
	mutate(m, s, rng)
	options := memimage.Options{AllPages: rng.IntN(2) == 0}
	var treeOptions fs.Options
	if rng.IntN(4) == 0 {
		treeOptions.References = refs
	}
	first, err := memimage.OpenSource(t.Context(), m, options)
	again, errAgain := memimage.OpenSource(t.Context(), m, options)
	if fmt.Sprint(err) != fmt.Sprint(errAgain) {
		t.Errorf("opened: %v; opened again: %v", err, errAgain)
	}
	if err != nil || errAgain != nil {
		return 0
	}
	defer first.Close()
	defer again.Close()
	const most, budget = 3 << 20, 64 << 20
	whole := &survey{t: t, fsys: fs.New(first, treeOptions), block: 1 << 20, most: most, budget: budget}
	a := whole.run()
	second := &survey{t: t, fsys: fs.New(again, treeOptions), block: 4 << 10, most: most, budget: budget, backward: true}
	if seed%3 != 0 {
		second.openOnly = drawn
	}
	b := second.run()
	sameTree(t, a, b)
	return len(a)
}

// writeOriginals writes the files of the subject's programs to a folder, to compare with.
func writeOriginals(t *testing.T, s *subject) *reference.Set {
	dir := t.TempDir()
	for name, data := range s.originals {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	refs, err := reference.Open(context.Background(), []string{dir}, reference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return refs
}
