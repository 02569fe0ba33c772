package memimage

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"

	"memlens/memimage/sparse"
)

// scanResult is the outcome of one scan of an image for something. A scan that was interrupted does not count.
type scanResult[T any] struct {
	scanning *semaphore.Weighted
	outcome  sparse.Outcome[[]T]
}

func newScanResult[T any]() scanResult[T] { return scanResult[T]{scanning: semaphore.NewWeighted(1)} }

// rescanAfter is how long the outcome of a scan with failed reads counts, besides the time that the scan took. When the fault
// has passed, a new scan may find more.
const rescanAfter = 3 * time.Second

// get returns the findings of scan. The first call scans; the result is kept. Other calls wait for it, each no longer
// than its ctx.
func (s *scanResult[T]) get(ctx context.Context, im *Image, what string, scan func(ctx context.Context, progress func(done, total int64)) ([]T, error)) ([]T, error) {
	if err := s.scanning.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer s.scanning.Release(1)
	if found, ok := s.outcome.Get(im.faults); ok {
		return found, nil
	}
	var progress func(done, total int64)
	if im.options.Progress != nil {
		progress = func(done, total int64) { im.options.Progress(what, done, total) }
	}
	began := time.Now()
	return s.outcome.Find(im.faults, func() time.Duration { return rescanAfter + time.Since(began) },
		func() ([]T, error) { return scan(ctx, progress) })
}

// Scanned returns the processes that the list of active processes lacks: exited and unlinked processes, found by
// scanning physical memory for their structures. The first call scans, which takes as long as reading the image; the
// result is kept. Other calls wait for it, each no longer than its ctx.
func (im *Image) Scanned(ctx context.Context) ([]*Process, error) {
	return im.scanned.get(ctx, im, "scanning for processes", func(ctx context.Context, progress func(done, total int64)) ([]*Process, error) {
		found, err := im.Kernel.Scan(ctx, progress)
		out := make([]*Process, len(found))
		for i, p := range found {
			out[i] = im.process(p)
		}
		return out, err
	})
}
