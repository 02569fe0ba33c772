// Package campaign is what tests share that damage images in many ways, each chosen by a seed: which seeds there are, a
// guard over the time and the memory that a variant takes, and a tally of what came of them.
//
// An ordinary run makes a few variants, always the same. By hand:
//
//	MEMLENS_CAMPAIGN=1000            that many variants of each image
//	MEMLENS_CAMPAIGN_FROM=5000       the first seed; 1 where it is not given
//	MEMLENS_CAMPAIGN_SEED=1234       the variant of that seed alone
//
// What panics in another goroutine ends the test: the variant is the last that go test -v has printed.
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
	// variantTime is after how long a variant is taken to hang. On an idle machine the slowest takes a few seconds.
	variantTime = 5 * time.Minute
	// variantMemory is how many bytes of live memory a variant may take, its image not counted.
	variantMemory = 512 << 20
)

// Plan is which variants of each image are made.
type Plan struct {
	Seeds []int
	Long  bool // they were asked for: by hand
}

// Planned returns what the environment asks for: otherwise the first few seeds, or fewer with -short.
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

// LimitMemory has the runtime collect what is not in use before a variant is taken to use too much. It returns what ends
// that.
func LimitMemory() (end func()) {
	before := debug.SetMemoryLimit(variantMemory / 2) // what is over it is in use
	return func() { debug.SetMemoryLimit(before) }
}

// Run surveys the variant of each seed, in a subtest whose name is the seed, and returns what came of them. survey returns
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

// Tally counts what came of the variants of an image.
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

// String says the counts in a line.
func (s Tally) String() string {
	return fmt.Sprintf("%d variants, %d opened (%d files), %d refused; the slowest took %v (seed %d); at most %d MiB were in use (seed %d)",
		s.Variants, s.Opened, s.files, s.Refused, s.slowest.Round(time.Millisecond), s.slowestSeed, s.peak>>20, s.peakSeed)
}
