package fs_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"memlens/fs"
	"memlens/memimage"
)

const (
	// variantTime is after how long a variant is taken to hang. On an idle machine the slowest takes a few seconds.
	variantTime = 5 * time.Minute
	// variantMemory is how many bytes of live memory a variant may take, its image not counted.
	variantMemory = 512 << 20
)

// campaignShared are the reference images that are damaged, too, where they are there and the campaign is a long one.
var campaignShared = []string{"WinXPSP2x86", "WinXPSP3x86PAE", "Win7SP1x64", "Win10x64_19041"}

// campaignFound are variants of built systems that went wrong once.
var campaignFound = map[string][]int{
	"Win7SP1x86": {512, 725}, // a kernel that was inferred from System alone had no page tables: a panic
}

// TestHostileImages damages images in their structures: pointers, sizes, lists that lead back into themselves, page tables,
// headers, pool allocations, descriptors of address ranges, environments; pages zeroed, copied and swapped. It opens each
// variant and reads its whole tree: nothing panics, hangs, or takes more memory than an image may; what is listed opens, and
// is read to its size without an error; and a second reading, of the image opened anew, backwards and in small blocks, gives
// the same.
//
// A few variants are made in an ordinary run, always the same, and those that went wrong once. By hand:
//
//	MEMLENS_CAMPAIGN=1000 go test ./fs -run TestHostileImages -v -timeout 0    that many variants of each image
//	MEMLENS_CAMPAIGN_SEED=1234 go test ./fs -run TestHostileImages/Win7SP1x64 -v    the variant of that seed
//
// The name of a subtest ends in the seed of its variant. MEMLENS_CAMPAIGN_FROM is the first seed, 1 where it is not given.
// With MEMLENS_CAMPAIGN the shared images are damaged, too. What panics in another goroutine ends the test: the variant is
// the last that -v has printed.
func TestHostileImages(t *testing.T) {
	variants, long := number(t, "MEMLENS_CAMPAIGN", 12)
	from, _ := number(t, "MEMLENS_CAMPAIGN_FROM", 1)
	if seed, one := number(t, "MEMLENS_CAMPAIGN_SEED", 0); one {
		from, variants, long = seed, 1, true
	}
	if testing.Short() && !long {
		variants = 3
	}
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(variantMemory / 2)) // what is over it is in use
	for _, name := range builtSystems {
		seeds := seedsOf(from, variants)
		if !long {
			seeds = append(seeds, campaignFound[name]...)
		}
		t.Run(name, func(t *testing.T) { campaignOn(t, buildSubject(t, name), seeds) })
	}
	for _, name := range campaignShared {
		t.Run("shared-"+name, func(t *testing.T) {
			if !long {
				t.Skip("a long campaign only")
			}
			campaignOn(t, sharedSubject(t, name), seedsOf(from, variants))
		})
	}
}

func seedsOf(from, variants int) []int {
	out := make([]int, variants)
	for i := range out {
		out[i] = from + i
	}
	return out
}

// number reads a number from the environment, and whether it is given.
func number(t *testing.T, name string, otherwise int) (n int, given bool) {
	text, given := os.LookupEnv(name)
	if !given {
		return otherwise, false
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s=%s is no number", name, text)
	}
	return n, true
}

// tally counts what came of the variants of an image.
type tally struct {
	variants, opened, refused int
	slowest                   time.Duration
	slowestSeed               int
	peak                      uint64 // bytes in use, the image not counted
	peakSeed                  int
	files                     int
}

func campaignOn(t *testing.T, s *subject, seeds []int) {
	refs := writeOriginals(t, s)
	guard := newGuard(variantTime, variantMemory)
	defer guard.stop()
	var sum tally
	for _, seed := range seeds {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			guard.begin(t.Name())
			files := surveyVariant(t, s, seed, refs)
			took, peak := guard.end()
			sum.add(seed, files, took, peak)
		})
	}
	t.Logf("%s: %s", s.name, sum)
	if n := sum.variants; n >= 10 && sum.opened == 0 || n > 1000 && sum.opened == n {
		t.Errorf("the damage is too much or too little: %s", sum)
	}
}

func (s *tally) add(seed, files int, took time.Duration, peak uint64) {
	s.variants++
	s.files += files
	if files > 0 {
		s.opened++
	} else {
		s.refused++
	}
	if took > s.slowest {
		s.slowest, s.slowestSeed = took, seed
	}
	if peak > s.peak {
		s.peak, s.peakSeed = peak, seed
	}
}

func (s tally) String() string {
	return fmt.Sprintf("%d variants, %d opened (%d files), %d refused; the slowest took %v (seed %d); at most %d MiB were in use (seed %d)",
		s.variants, s.opened, s.files, s.refused, s.slowest.Round(time.Millisecond), s.slowestSeed, s.peak>>20, s.peakSeed)
}

// surveyVariant makes a variant, opens it and reads its tree twice. It returns how many files there are, 0 when the image is
// refused.
func surveyVariant(t *testing.T, s *subject, seed int, refs *fs.References) (files int) {
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
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
	a := (&survey{t: t, fsys: fs.New(first, treeOptions), block: 1 << 20, most: most, budget: budget}).run()
	b := (&survey{t: t, fsys: fs.New(again, treeOptions), block: 4 << 10, most: most, budget: budget, backward: true}).run()
	sameTree(t, a, b)
	return len(a)
}

// writeOriginals writes the files of the subject's programs to a folder, to compare with.
func writeOriginals(t *testing.T, s *subject) *fs.References {
	dir := t.TempDir()
	for name, data := range s.originals {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	refs, err := fs.OpenReferences([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	return refs
}
