// Package sparsetest checks that a [sparse.Source] keeps its contract, in the manner of testing/fstest: Probe and
// ReadAt agree on every byte, and a failed read is neither taken for a hole nor remembered.
package sparsetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"memlens/memimage/sparse"
)

// Unit is the size in bytes of the pieces in which sources are read: the size of a page.
const Unit = 4096

// MaxRun is how much of one run is read from each of its ends; the part between is read in samples.
const MaxRun = 64 * Unit

// Check reads s in many ways and returns all violations of the contract, or nil. If s is large, its long runs are
// read at their ends and in samples.
func Check(s sparse.Source) error {
	c := &check{s: s, size: s.Size(), rng: rand.New(rand.NewPCG(1, 2))}
	if c.size < 0 {
		return fmt.Errorf("sparsetest: Size returns %d", c.size)
	}
	c.edges()
	c.runs()
	c.randomly()
	c.together()
	return errors.Join(c.errs...)
}

type check struct {
	s    sparse.Source
	size int64
	list []sparse.Run
	rng  *rand.Rand
	mu   sync.Mutex
	errs []error
}

func (c *check) errorf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.errs) < 20 {
		c.errs = append(c.errs, fmt.Errorf(format, args...))
	}
}

// edges reads and probes outside of the range.
func (c *check) edges() {
	b := make([]byte, 1)
	for _, off := range []int64{c.size, c.size + 1, c.size + Unit, math.MaxInt64} {
		if n, err := c.s.ReadAt(b, off); n != 0 || err != io.EOF {
			c.errorf("ReadAt at %#x, behind the end %#x: %d, %v; want 0, EOF", off, c.size, n, err)
		}
		if n, err := c.s.Probe(off); n != 0 || err != io.EOF {
			c.errorf("Probe at %#x, behind the end %#x: %d, %v; want 0, EOF", off, c.size, n, err)
		}
	}
	if n, err := c.s.ReadAt(b, -1); n != 0 || err == nil {
		c.errorf("ReadAt at -1: %d, %v; want an error", n, err)
	}
	if n, err := c.s.Probe(-1); err == nil {
		c.errorf("Probe at -1: %d, %v; want an error", n, err)
	}
}

// runs follows Probe from the start and reads the runs that it finds.
func (c *check) runs() {
	for off := int64(0); off < c.size; {
		n, err := c.s.Probe(off)
		switch {
		case n <= 0 || n > c.size-off:
			c.errorf("Probe at %#x: %d bytes (%v) of %d that are left", off, n, err, c.size-off)
			return
		case err != nil && !sparse.IsHole(err):
			c.errorf("Probe at %#x: an error that is no hole: %v", off, err)
			return
		}
		run := sparse.Run{Off: off, Len: n, Err: err}
		c.list = append(c.list, run)
		c.run(run)
		off += n
	}
}

// run reads a run: both ends of it, and samples.
func (c *check) run(r sparse.Run) {
	for off := r.Off; off < r.End(); {
		n := min(Unit, r.End()-off)
		c.piece(r, off, n)
		if off += n; off-r.Off >= MaxRun && r.End()-off > MaxRun {
			off = r.Off + c.rng.Int64N(r.Len-MaxRun-(off-r.Off)) + (off - r.Off)
			c.piece(r, off, min(Unit, r.End()-off))
			off = r.End() - MaxRun
		}
	}
}

// piece reads n bytes at off of a run, and asks about them.
func (c *check) piece(r sparse.Run, off, n int64) {
	b := make([]byte, n)
	got, err := c.s.ReadAt(b, off)
	if r.Err == nil && (int64(got) != n || err != nil && !(err == io.EOF && off+n == c.size)) {
		c.errorf("%#x is readable for %#x bytes, as Probe says at %#x; ReadAt returns %d of %d, %v", r.Off, r.Len, off, got, n, err)
	}
	if r.Err != nil && (got != 0 || !sparse.IsHole(err)) {
		c.errorf("%#x is a hole of %#x bytes, as Probe says at %#x; ReadAt returns %d, %v", r.Off, r.Len, off, got, err)
	}
	again := make([]byte, n)
	if got2, _ := c.s.ReadAt(again, off); got2 != got || !bytes.Equal(b[:got], again[:got]) {
		c.errorf("reading twice at %#x gives different bytes", off)
	}
	m, perr := c.s.Probe(off)
	if (perr == nil) != (r.Err == nil) || m <= 0 {
		c.errorf("Probe at %#x: %d, %v; Probe at %#x said %#x, %v", off, m, perr, r.Off, r.Len, r.Err)
	}
}

// at returns the run that holds off.
func (c *check) at(off int64) sparse.Run {
	i, _ := slices.BinarySearchFunc(c.list, off, func(r sparse.Run, off int64) int {
		switch {
		case r.End() <= off:
			return -1
		case r.Off > off:
			return 1
		}
		return 0
	})
	return c.list[i]
}

// randomly reads across the borders of runs.
func (c *check) randomly() {
	if c.size == 0 || len(c.errs) > 0 {
		return
	}
	for range 200 {
		off := c.rng.Int64N(c.size)
		if len(c.list) > 1 && c.rng.IntN(2) == 0 { // just before a border
			off = max(c.list[1+c.rng.IntN(len(c.list)-1)].Off-c.rng.Int64N(2*Unit), 0)
		}
		c.across(off, 1+c.rng.Int64N(4*Unit))
	}
}

// across reads n bytes at off, which may reach through several runs.
func (c *check) across(off, n int64) {
	want, end := int64(0), min(off+n, c.size)
	var why error
	for at := off; at < end && why == nil; {
		r := c.at(at)
		if why = r.Err; why == nil {
			want += min(r.End(), end) - at
		}
		at = r.End()
	}
	b := make([]byte, n)
	got, err := c.s.ReadAt(b, off)
	switch {
	case int64(got) != want:
		c.errorf("ReadAt of %#x bytes at %#x: %#x bytes (%v), want %#x up to the first hole or the end", n, off, got, err, want)
	case why != nil && !sparse.IsHole(err):
		c.errorf("ReadAt of %#x bytes at %#x ends at a hole with %v", n, off, err)
	case why == nil && want < n && err != io.EOF:
		c.errorf("ReadAt of %#x bytes at %#x, over the end: %v, want EOF", n, off, err)
	case why == nil && want == n && err != nil && !(err == io.EOF && off+n == c.size):
		c.errorf("ReadAt of %#x bytes at %#x, all of which are there: %v", n, off, err)
	}
}

// together reads from several goroutines at once.
func (c *check) together() {
	if c.size == 0 || len(c.errs) > 0 {
		return
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for k := range 32 {
				r := c.list[(i*31+k*17)%len(c.list)]
				b := make([]byte, min(r.Len, Unit))
				got, err := c.s.ReadAt(b, r.Off)
				if (r.Err == nil) != (got == len(b)) || r.Err != nil && !sparse.IsHole(err) {
					c.errorf("read by several at once, %#x gives %d bytes and %v; alone it was %v", r.Off, got, err, r.Err)
				}
			}
		})
	}
	wg.Wait()
}
