package sparse

import (
	"sync"
	"sync/atomic"
)

// Kept returns a function that works a value out when it is first called, and keeps it, unless a read of the image
// failed meanwhile: a value that a fault of the disk changed must not stay when the fault has passed. find must not
// call the function itself. Nobody waits for a value that is kept.
func Kept[T any](faults *Faults, find func() T) func() T {
	var (
		finding sync.Mutex
		kept    atomic.Pointer[T]
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
		before := faults.Count()
		v := find()
		if faults.Count() == before {
			kept.Store(&v)
		}
		return v
	}
}
