package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"time"

	"memlens/cmd/memlens-fleet/internal/stack"
	"memlens/cmd/memlens-fleet/internal/walk"
	"memlens/cmd/memlens-fleet/internal/worker"
)

// WorkerCommand is the argument with which the program starts itself to read images.
const WorkerCommand = "worker"

// reader lets processes read images.
type reader struct {
	options Options
	pool    *worker.Pool
}

// readers are the readers of this process, by their options. All bundles that run at the same time share a reader,
// for it bounds resources of the machine.
type readers struct {
	mu  sync.Mutex
	all map[string]*reader
}

// shared are the readers that functions of the engine use. The engine makes these functions, so that nothing can be
// passed to them.
var shared readers

// of returns the reader of options.
func (r *readers) of(o Options) (*reader, error) {
	key := string(encode(o))
	r.mu.Lock()
	defer r.mu.Unlock()
	if have := r.all[key]; have != nil {
		return have, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	size := cmp.Or(o.Workers, runtime.NumCPU()+1) // now and then a process waits for the engine
	made := &reader{o, worker.New(worker.Options{
		Size: size, Command: []string{self, WorkerCommand}, Deadline: o.Deadline, Memory: o.Memory,
		Env: []string{fmt.Sprint("GOMAXPROCS=", max(1, runtime.NumCPU()/size))},
		Log: func(s string) { slog.Warn(s) },
	})}
	if r.all == nil {
		r.all = map[string]*reader{}
	}
	r.all[key] = made
	return made, nil
}

// close ends the processes.
func (r *readers) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.all {
		one.pool.Close()
	}
	clear(r.all)
}

// read reads an image. An error ends the run; all other failures are results for the image.
func (r *reader) read(ctx context.Context, t Task) (out result, err error) {
	attempts := max(1, r.options.Attempts)
	for i := 1; ; i++ {
		out, err = r.attempt(ctx, t)
		failure := new(worker.Failure)
		switch {
		case errors.As(err, &failure):
			if failure.Code != worker.Crashed || i >= attempts { // with the same time and memory, another attempt would fail, too
				return failed(t, failure, i), nil
			}
		case err != nil || !out.outcome.Again || i >= attempts:
			return out, err
		}
		pause(ctx, time.Duration(i)*200*time.Millisecond)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// attempt reads an image once.
func (r *reader) attempt(ctx context.Context, t Task) (out result, err error) {
	lines := newPacker()
	out.task = t
	err = r.ask(ctx, walk.Request{Image: t.Image, Options: r.options.Walk}, &out.outcome, lines.add)
	if err != nil {
		return out, err
	}
	out.records = Records{t.Number, lines.bytes()}
	return out, nil
}

// ask sends a request to a process.
func (r *reader) ask(ctx context.Context, request walk.Request, outcome *walk.Outcome, line func([]byte) error) error {
	last, err := r.pool.Do(ctx, encode(request), line)
	if err != nil {
		return err
	}
	return json.Unmarshal(last, outcome)
}

// draw draws a file. An error ends the run.
func (r *reader) draw(ctx context.Context, at stack.Place) (*walk.Picture, error) {
	request := walk.Request{Image: at.Image, Options: r.options.Walk, Draw: &at}
	for i := 1; ; i++ {
		var outcome walk.Outcome
		err := r.ask(ctx, request, &outcome, func([]byte) error { return nil })
		failure := new(worker.Failure)
		switch {
		case errors.As(err, &failure) && failure.Code == worker.Crashed && i < r.options.Attempts:
		case errors.As(err, &failure):
			return &walk.Picture{Why: failureText(failure, i)}, nil
		case err != nil:
			return nil, err
		case outcome.Picture == nil:
			return &walk.Picture{Why: "the image could not be opened again"}, nil
		default:
			return outcome.Picture, nil
		}
	}
}

// encode writes a value as JSON.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("fleet: %T is nothing that JSON has: %v", v, err))
	}
	return b
}

// decodeAll reads all that an iterator yields.
func decodeAll[T any](next func(*[]byte) bool) (out []T, err error) {
	var b []byte
	for next(&b) {
		var v T
		if err := json.Unmarshal(b, &v); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}
