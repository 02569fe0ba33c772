// Package campaign is the common part of tests that damage images in many ways, each chosen by a seed: the choice of
// seeds, a guard over the time and the memory that a variant takes, and a tally of the results.
//
// An ordinary run makes a few variants, always the same. By hand:
//
//	MEMLENS_CAMPAIGN=1000            that many variants of each image
//	MEMLENS_CAMPAIGN_FROM=5000       the first seed; 1 by default
//	MEMLENS_CAMPAIGN_SEED=1234       the variant of that seed alone
//
// A panic in another goroutine ends the test: then the variant is the last one that go test -v has printed.
package campaign

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"testing"
	"time"
)

const (
	// variantTime is the time after which a variant is taken to hang. On an idle machine the slowest takes a few
	// seconds.
	variantTime = 5 * time.Minute
	// variantMemory is how many bytes of live memory a variant may take, its image not counted.
	variantMemory = 512 << 20
)

// Plan says which variants of each image are made.
type Plan struct {
	Seeds []int
	Long  bool // they were asked for: by hand
}

// Planned returns the plan from the environment, or else the first few seeds, or fewer with -short.
func Planned(t *testing.T, few, fewest int) Plan {
	variants, long := number(t, "MEMLENS_CAMPAIGN", few)
	from, _ := number(t, "MEMLENS_CAMPAIGN_FROM", 1)
	if seed, one := number(t, "MEMLENS_CAMPAIGN_SEED", 0); one {
		from, variants, long = seed, 1, true
	}
	if testing.Short() && !long {
		variants = fewest
	}
	p := Plan{make([]int, variants), long}
	for i := range p.Seeds {
		p.Seeds[i] = from + i
	}
	return p
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

// LimitMemory makes the runtime collect unused memory before the guard takes a variant to use too much. end takes the
// limit back.
func LimitMemory() (end func()) {
	before := debug.SetMemoryLimit(variantMemory / 2) // memory above the limit is in use
	return func() { debug.SetMemoryLimit(before) }
}

// Run surveys the variant of each seed, in a subtest whose name is the seed, and returns the tally. survey returns
// how many files there were; 0 when the image was refused.
func Run(t *testing.T, seeds []int, survey func(t *testing.T, seed int) (files int)) Tally {
	guard := newGuard(variantTime, variantMemory)
	defer guard.stop()
	var sum Tally
	for _, seed := range seeds {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			guard.begin(t.Name())
			files := caught(t, seed, survey)
			took, peak := guard.end()
			sum.add(seed, files, took, peak)
		})
	}
	return sum
}

// caught calls survey; a panic is an error of the test.
func caught(t *testing.T, seed int, survey func(t *testing.T, seed int) int) int {
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return survey(t, seed)
}

// Tally counts the results for the variants of an image.
type Tally struct {
	Variants, Opened, Refused int
	slowest                   time.Duration
	slowestSeed               int
	peak                      uint64 // bytes in use, the image not counted
	peakSeed                  int
	files                     int
}

func (s *Tally) add(seed, files int, took time.Duration, peak uint64) {
	s.Variants++
	s.files += files
	if files > 0 {
		s.Opened++
	} else {
		s.Refused++
	}
	if took > s.slowest {
		s.slowest, s.slowestSeed = took, seed
	}
	if peak > s.peak {
		s.peak, s.peakSeed = peak, seed
	}
}

// String returns the counts in one line.
func (s Tally) String() string {
	return fmt.Sprintf("%d variants, %d opened (%d files), %d refused; the slowest took %v (seed %d); at most %d MiB were in use (seed %d)",
		s.Variants, s.Opened, s.files, s.Refused, s.slowest.Round(time.Millisecond), s.slowestSeed, s.peak>>20, s.peakSeed)
}
