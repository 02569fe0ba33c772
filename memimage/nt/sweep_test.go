package nt

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"

	"memlens/memimage/paging"
	"memlens/memimage/rescue"
	"memlens/memimage/sparse"
)

// noLeak fails the test when goroutines that were started meanwhile still run at its end.
func noLeak(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for range 100 {
			if runtime.NumGoroutine() <= before {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		buf := make([]byte, 1<<16)
		t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
	})
}

// numbered is a memory of n chunks with holes; the first byte of each page is its chunk's number.
func numbered(t *testing.T, n int, holes ...sparse.Extent) *sparse.Reader {
	mem := make([]byte, n*sweepChunk)
	for i := range mem {
		if i%pageSize == 0 {
			mem[i] = byte(i / sweepChunk)
		}
	}
	var extents []sparse.Extent
	at := int64(0)
	for _, h := range append(holes, sparse.Extent{Off: int64(len(mem))}) {
		extents = append(extents, sparse.Extent{Off: at, Len: h.Off - at, Src: sparse.Bytes(mem), SrcOff: at})
		at = h.Off + h.Len
	}
	r, err := sparse.NewReader(int64(len(mem)), extents...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// firsts looks at the first byte of each chunk, slower at some than at others.
func firsts(p []byte, pa paging.Phys) []int {
	if pa/sweepChunk%5 == 0 {
		time.Sleep(2 * time.Millisecond)
	}
	if len(p) == 0 {
		return nil
	}
	return []int{int(p[0])}
}

func TestSweepIsInOrder(t *testing.T) {
	noLeak(t)
	const n = 40
	mem := numbered(t, n)
	var got []int
	var done []int64
	err := sweep(context.Background(), mem, stretch{0, mem.Size(), sweepChunk}, firsts, func(hits []int) bool { got = append(got, hits...); return true },
		func(at, total int64) { done = append(done, at) })
	if err != nil || len(got) != n || !slices.IsSorted(got) || len(done) != n || !slices.IsSorted(done) {
		t.Errorf("%v, progress %v, %v", got, done, err)
	}
}

func TestSweepPassesOverHoles(t *testing.T) {
	noLeak(t)
	mem := numbered(t, 12, sparse.Extent{Off: 2*sweepChunk + 5*pageSize, Len: 4 * sweepChunk}, sparse.Extent{Off: 9 * sweepChunk, Len: 3 * sweepChunk})
	var got []paging.Phys
	look := func(p []byte, pa paging.Phys) []paging.Phys {
		if len(p)%pageSize != 0 || len(p) > sweepChunk {
			t.Errorf("a chunk of %#x bytes", len(p))
		}
		return []paging.Phys{pa}
	}
	err := sweep(context.Background(), mem, stretch{0, mem.Size(), sweepChunk}, look, func(hits []paging.Phys) bool { got = append(got, hits...); return true }, nil)
	want := []paging.Phys{0, 1 << 20, 2 << 20, 6 << 20, 7 << 20, 8 << 20}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("chunks %#x, want %#x, %v", got, want, err)
	}
}

func TestSweepOfPart(t *testing.T) {
	noLeak(t)
	mem := numbered(t, 4)
	total := 0
	look := func(p []byte, pa paging.Phys) []int { return []int{len(p)} }
	if err := sweep(context.Background(), mem, stretch{0x1000, 2*sweepChunk + 0x1800, sweepChunk}, look, func(n []int) bool { total += n[0]; return true }, nil); err != nil {
		t.Fatal(err)
	}
	if total != 2*sweepChunk {
		t.Errorf("%#x bytes", total)
	}
}

func TestSweepEndsEarly(t *testing.T) {
	noLeak(t)
	mem := numbered(t, 40)
	calls := 0
	err := sweep(context.Background(), mem, stretch{0, mem.Size(), sweepChunk}, firsts, func(hits []int) bool { calls++; return hits[0] < 7 }, nil)
	if err != nil || calls != 8 {
		t.Errorf("%d chunks, %v", calls, err)
	}
}

func TestSweepIsCancelled(t *testing.T) {
	noLeak(t)
	mem := numbered(t, 40)
	ctx, cancel := context.WithCancel(context.Background())
	err := sweep(ctx, mem, stretch{0, mem.Size(), sweepChunk}, firsts, func(hits []int) bool {
		if hits[0] == 7 {
			cancel()
		}
		return true
	}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	err = sweep(ctx, mem, stretch{0, mem.Size(), sweepChunk}, firsts, func([]int) bool { return true }, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
}

func TestSweepOfNothing(t *testing.T) {
	noLeak(t)
	mem, _ := sparse.NewReader(1 << 50)
	if err := sweep(context.Background(), mem, stretch{0, mem.Size(), sweepChunk}, firsts, func([]int) bool { t.Error("found"); return true }, nil); err != nil {
		t.Error(err)
	}
}

// TestSweepSurvivesAPanic: a panic in look is an error, and no goroutine is left.
func TestSweepSurvivesAPanic(t *testing.T) {
	noLeak(t)
	look := func(p []byte, pa paging.Phys) []int {
		if pa == 3*sweepChunk {
			panic("a mistake")
		}
		return []int{int(pa / sweepChunk)}
	}
	var got []int
	mem := numbered(t, 8)
	err := sweep(context.Background(), mem, stretch{0, mem.Size(), sweepChunk}, look, func(n []int) bool { got = append(got, n...); return true }, nil)
	var panicked *rescue.PanicError
	if !errors.As(err, &panicked) || !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("%v after %v", err, got)
	}
}
