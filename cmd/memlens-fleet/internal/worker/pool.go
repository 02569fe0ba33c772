// Package worker runs work that may crash, hang or take too much memory in other processes. It keeps a few such
// processes; each answers one request at a time, in lines. It does not know the meaning of requests.
package worker

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Options say how the processes are run.
type Options struct {
	Size    int      // how many processes there are at most; 1 when 0
	Command []string // a program that calls [Serve]
	Env     []string // variables beside the environment of this process
	// Deadline is how long a request may take; 0: no limit.
	Deadline time.Duration
	// Memory is how many bytes a process may have; 0: no limit.
	Memory int64
	// Log is called with a sentence when a process has ended, and why. May be nil.
	Log func(string)
}

// Pool keeps the processes. They are started when they are needed.
type Pool struct {
	options Options
	slots   chan *process // the free processes; nil stands for a process that is not started

	mu  sync.Mutex
	all map[*process]bool
}

// New returns a pool.
func New(o Options) *Pool {
	o.Size = max(o.Size, 1)
	if o.Log == nil {
		o.Log = func(string) {}
	}
	p := &Pool{options: o, slots: make(chan *process, o.Size), all: map[*process]bool{}}
	for range o.Size {
		p.slots <- nil
	}
	return p
}

// Size returns how many requests may be answered at the same time.
func (p *Pool) Size() int { return p.options.Size }

// Do waits for a free process and sends it the request. It passes each line of the answer to line, which must not
// keep it, and returns the last one. The error is a *[Failure] when the process has ended or had to be ended; the
// error of line passes through.
func (p *Pool) Do(ctx context.Context, request []byte, line func([]byte) error) (last []byte, err error) {
	var w *process
	select {
	case w = <-p.slots:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { p.slots <- w }()
	if w == nil || w.ended() {
		if w, err = p.start(); err != nil {
			return nil, err
		}
	}
	last, err = w.ask(ctx, request, p.options.Deadline, line)
	if err != nil {
		err = p.end(w, err)
		w = nil
	}
	return last, err
}

// start starts a process.
func (p *Pool) start() (*process, error) {
	w, err := startProcess(p.options)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all[w] = true
	return w, nil
}

// end ends a process that has failed, and returns an error with the known reason.
func (p *Pool) end(w *process, err error) error {
	p.mu.Lock()
	delete(p.all, w)
	p.mu.Unlock()
	w.kill()
	if failure := new(Failure); errors.As(err, &failure) {
		err = w.explain(failure)
		p.options.Log(err.Error())
	}
	return err
}

// PIDs returns the ids of the processes that run.
func (p *Pool) PIDs() (out []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.all {
		if !w.ended() {
			out = append(out, w.cmd.Process.Pid)
		}
	}
	return out
}

// Close ends all processes. No request may be under way.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.all {
		w.kill()
	}
	clear(p.all)
}
