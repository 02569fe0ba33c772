package memimage

import (
	"context"
	"sync"
)

// scanResult is the outcome of the one scan of an image. A scan that was interrupted does not count.
type scanResult struct {
	mu        sync.Mutex
	done      bool
	processes []*Process
}

// Scanned returns the processes that the list of active ones lacks: exited and unlinked ones, found by scanning
// physical memory for their structures. The first call scans, which takes as long as reading the image; the result is
// kept.
func (im *Image) Scanned(ctx context.Context) ([]*Process, error) {
	s := &im.scanned
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return s.processes, nil
	}
	var progress func(done, total int64)
	if im.options.Progress != nil {
		progress = func(done, total int64) { im.options.Progress("scanning for processes", done, total) }
	}
	found, err := im.Kernel.Scan(ctx, progress)
	if err != nil {
		return nil, err
	}
	for _, p := range found {
		s.processes = append(s.processes, im.process(p))
	}
	s.done = true
	return s.processes, nil
}
