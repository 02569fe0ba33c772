package sparse

import "sync"

// Kept returns a function that works a value out when it is first asked for, and keeps it: unless a read of the image
// failed meanwhile. What a fault of the disk made of the value must not stay when the fault has passed. find must not
// ask for the value itself.
func Kept[T any](faults *Faults, find func() T) func() T {
	var (
		mu    sync.Mutex
		done  bool
		value T
	)
	return func() T {
		mu.Lock()
		defer mu.Unlock()
		if done {
			return value
		}
		before := faults.Count()
		v := find()
		if faults.Count() == before {
			value, done = v, true
		}
		return v
	}
}
