package sparse

import (
	"sync"
	"sync/atomic"
	"time"
)

// keptFailed is how long a value is kept that was found while a read failed. Thousands of things may depend on it, and while
// the place of the fault is known to be bad, the value would be found the same again.
const keptFailed = time.Second

// Kept returns a function that works a value out when it is first called, and keeps it as an [Outcome]. If a read failed
// meanwhile, the value counts for a second only. find must not call the function itself. Nobody waits for a value that is
// kept for good.
func Kept[T any](faults *Faults, find func() T) func() T {
	var (
		finding sync.Mutex
		kept    atomic.Pointer[T]
		outcome Outcome[T]
	)
	return func() T {
		if v := kept.Load(); v != nil {
			return *v
		}
		finding.Lock()
		defer finding.Unlock()
		if v, ok := outcome.Get(faults); ok {
			return v
		}
		v, _ := outcome.Find(faults, func() time.Duration { return keptFailed }, func() (T, error) { return find(), nil })
		if outcome.failed == nil {
			kept.Store(&v)
		}
		return v
	}
}

// Outcome is a value that was found by reading an image. If a read failed meanwhile, it counts for a while only: a value that
// a fault of the disk changed must not stay when the fault has passed. What is made of it must not stay either, so each use
// of it counts the failed read again. The zero value is an outcome that is not found yet. It is not safe for concurrent use.
type Outcome[T any] struct {
	value     T
	found     bool
	failed    error     // of a read while it was found; nil: it counts for good
	until     time.Time // when it counts no more…
	forgotten int64     // …or as soon as the bad places are forgotten: how often they had been
}

// Get returns the value; false: it is to be found, or to be found again.
func (o *Outcome[T]) Get(faults *Faults) (value T, ok bool) {
	if !o.found {
		return value, false
	}
	if o.failed != nil {
		if o.forgotten != faults.Forgotten() || !time.Now().Before(o.until) {
			return value, false
		}
		faults.Repeat(o.failed)
	}
	return o.value, true
}

// Find calls find for the value. After a failed read, it counts for as long as hold then says. With an error there is no
// value.
func (o *Outcome[T]) Find(faults *Faults, hold func() time.Duration, find func() (T, error)) (T, error) {
	before, forgotten := faults.Count(), faults.Forgotten()
	v, err := find()
	if err != nil {
		return *new(T), err
	}
	*o = Outcome[T]{value: v, found: true, failed: faults.Since(before), until: time.Now().Add(hold()), forgotten: forgotten}
	return v, nil
}

// KeptOnceFound returns a function that works a value out when it is first called, and keeps it unless there was an error:
// then the next call tries again.
func KeptOnceFound[T any](find func() (T, error)) func() (T, error) {
	var (
		mu    sync.Mutex
		found bool
		value T
	)
	return func() (T, error) {
		mu.Lock()
		defer mu.Unlock()
		if found {
			return value, nil
		}
		v, err := find()
		if err == nil {
			value, found = v, true
		}
		return v, err
	}
}
