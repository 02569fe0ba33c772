package memimage

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"
)

// scanResult is the outcome of the one scan of an image. A scan that was interrupted does not count.
type scanResult struct {
	scanning  *semaphore.Weighted
	done      bool
	until     time.Time // when a scan during which reads failed is made again; zero for one that stays
	processes []*Process
}

// rescanAfter is how long the outcome of a scan counts during which reads failed. What lies in the places that could not
// be read may be found when the fault has passed.
const rescanAfter = 10 * time.Second

// Scanned returns the processes that the list of active ones lacks: exited and unlinked ones, found by scanning
// physical memory for their structures. The first call scans, which takes as long as reading the image; the result is
// kept. Others wait for it, each no longer than its ctx.
func (im *Image) Scanned(ctx context.Context) ([]*Process, error) {
	s := &im.scanned
	if err := s.scanning.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer s.scanning.Release(1)
	if s.done && (s.until.IsZero() || time.Now().Before(s.until)) {
		return s.processes, nil
	}
	var progress func(done, total int64)
	if im.options.Progress != nil {
		progress = func(done, total int64) { im.options.Progress("scanning for processes", done, total) }
	}
	before := im.faults.Count()
	found, err := im.Kernel.Scan(ctx, progress)
	if err != nil {
		return nil, err
	}
	s.processes = nil
	for _, p := range found {
		s.processes = append(s.processes, im.process(p))
	}
	s.done, s.until = true, time.Time{}
	if im.faults.Count() != before {
		s.until = time.Now().Add(rescanAfter)
	}
	return s.processes, nil
}
