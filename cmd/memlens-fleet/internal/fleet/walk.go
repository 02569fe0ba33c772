package fleet

import (
	"context"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
)

// Namespace is the namespace of the counters, whose names follow.
const (
	Namespace    = "memlens"
	ImagesIn     = "images_in"
	ImagesOut    = "images_out"
	ImagesFailed = "images_failed"
	Requests     = "requests" // over the network
	Bytes        = "bytes"    // bytes over the network
)

// The functions by which readImages emits results.
type (
	emitRecords = func(shard int, r Records)
	emitKeyed   = func(key string, value []byte)
	emitAccount = func(Account)
)

// readImages lets processes read images. It keeps all processes busy, in bundles of any size. It takes an element
// only when a process is free, so that the engine sees the progress of the bundle, and can give the rest of it to
// other machines.
type readImages struct {
	Options Options
	Images  int // of the run

	reader  *reader
	results chan read
	running int
}

// read is the result for an image, or the error that ends the run.
type read struct {
	result
	err error
}

// Setup finds the processes, which start later.
func (f *readImages) Setup() (err error) {
	f.reader, err = shared.of(f.Options)
	return err
}

// StartBundle begins a bundle.
func (f *readImages) StartBundle(context.Context, emitRecords, emitKeyed, emitKeyed, emitAccount) {
	f.results, f.running = make(chan read, f.reader.pool.Size()), 0
}

// ProcessElement takes an image, and emits the result of an earlier one.
func (f *readImages) ProcessElement(ctx context.Context, t Task, records emitRecords, sightings, changes emitKeyed, accounts emitAccount) error {
	beam.NewCounter(Namespace, ImagesIn).Inc(ctx, 1)
	if f.running == f.reader.pool.Size() {
		if err := f.emitOne(ctx, records, sightings, changes, accounts); err != nil {
			return err
		}
	}
	f.running++
	go func() {
		r, err := f.reader.read(ctx, t)
		f.results <- read{r, err}
	}()
	return nil
}

// FinishBundle emits the remaining results.
func (f *readImages) FinishBundle(ctx context.Context, records emitRecords, sightings, changes emitKeyed, accounts emitAccount) error {
	for f.running > 0 {
		if err := f.emitOne(ctx, records, sightings, changes, accounts); err != nil {
			return err
		}
	}
	return nil
}

// emitOne waits for an image that is done.
func (f *readImages) emitOne(ctx context.Context, records emitRecords, sightings, changes emitKeyed, accounts emitAccount) error {
	r := <-f.results
	f.running--
	if r.err != nil {
		return r.err
	}
	records(f.Options.shardOf(r.task.Number, f.Images), r.records)
	for _, s := range r.outcome.Sightings {
		sightings(s.File.Key(), encode(s))
	}
	for _, c := range r.outcome.Changes {
		changes(c.Key(), encode(c))
	}
	accounts(r.account())
	counter := ImagesOut
	if !r.outcome.Opened {
		counter = ImagesFailed
	}
	beam.NewCounter(Namespace, counter).Inc(ctx, 1)
	beam.NewCounter(Namespace, Requests).Inc(ctx, r.outcome.Traffic.Requests)
	beam.NewCounter(Namespace, Bytes).Inc(ctx, r.outcome.Traffic.Bytes)
	return nil
}
