package memimage

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"
)

// scanResult is the outcome of one scan of an image for something. A scan that was interrupted does not count.
type scanResult[T any] struct {
	scanning *semaphore.Weighted
	done     bool
	failed   error     // of a read, nil: none failed
	until    time.Time // when a scan with failed reads is made again…
	forgot   int64     // …or as soon as the bad places are forgotten
	found    []T
}

func newScanResult[T any]() scanResult[T] { return scanResult[T]{scanning: semaphore.NewWeighted(1)} }

// rescanAfter is how long the outcome of a scan with failed reads counts, besides the time that the scan took. When the fault
// has passed, a new scan may find more. Until then each call counts the failed read again: what is made of the outcome must
// not stay.
const rescanAfter = 3 * time.Second

// get returns the findings of scan. The first call scans; the result is kept. Other calls wait for it, each no longer
// than its ctx.
func (s *scanResult[T]) get(ctx context.Context, im *Image, what string, scan func(ctx context.Context, progress func(done, total int64)) ([]T, error)) ([]T, error) {
	if err := s.scanning.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer s.scanning.Release(1)
	if s.done && s.failed == nil {
		return s.found, nil
	}
	if s.done && s.forgot == im.faults.Forgotten() && time.Now().Before(s.until) {
		im.faults.Repeat(s.failed)
		return s.found, nil
	}
	var progress func(done, total int64)
	if im.options.Progress != nil {
		progress = func(done, total int64) { im.options.Progress(what, done, total) }
	}
	before, began := im.faults.Count(), time.Now()
	s.forgot = im.faults.Forgotten()
	found, err := scan(ctx, progress)
	if err != nil {
		return nil, err
	}
	s.found, s.done, s.failed, s.until = found, true, im.faults.Since(before), time.Now().Add(rescanAfter+time.Since(began))
	return found, nil
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
