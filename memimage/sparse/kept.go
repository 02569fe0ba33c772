package sparse

import (
	"sync"
	"sync/atomic"
	"time"
)

// keptFailed is how long a value is kept that was found while a read failed. Thousands of things may depend on it, and while
// the place of the fault is known to be bad, the value would be found the same again.
const keptFailed = time.Second

// Kept returns a function that works a value out when it is first called, and keeps it, unless a read of the image
// failed meanwhile: a value that a fault of the disk changed must not stay when the fault has passed. Such a value is
// kept for a second only, and each call that returns it counts the failed read again. find must not call the function
// itself. Nobody waits for a value that is kept.
func Kept[T any](faults *Faults, find func() T) func() T {
	var (
		finding sync.Mutex
		kept    atomic.Pointer[T]
		passing struct { // found while a read failed
			value     T
			err       error // nil: there is none
			until     time.Time
			forgotten int64
		}
	)
	return func() T {
		if v := kept.Load(); v != nil {
			return *v
		}
		finding.Lock()
		defer finding.Unlock()
		if v := kept.Load(); v != nil {
			return *v
		}
		if passing.err != nil && passing.forgotten == faults.Forgotten() && time.Now().Before(passing.until) {
			faults.Repeat(passing.err)
			return passing.value
		}
		before, forgotten := faults.Count(), faults.Forgotten()
		v := find()
		if passing.err = faults.Since(before); passing.err == nil {
			kept.Store(&v)
			passing.value = *new(T)
			return v
		}
		passing.value, passing.until, passing.forgotten = v, time.Now().Add(keptFailed), forgotten
		return v
	}
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
