package memimage

import (
	"context"
	"errors"
	"testing"

	"golang.org/x/sync/semaphore"
)

// TestWaitingForAScanEnds waits for another caller's scan that never ends.
func TestWaitingForAScanEnds(t *testing.T) {
	im := new(Image)
	im.scanned.scanning = semaphore.NewWeighted(1)
	if err := im.scanned.scanning.Acquire(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error)
	go func() {
		_, err := im.Scanned(ctx)
		result <- err
	}()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
