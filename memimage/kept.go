package memimage

import (
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"memlens/memimage/sparse"
)

// kept returns a function that works a value out when it is first asked for, and keeps it: unless a read of the image
// failed meanwhile. What a fault of the disk made of the value must not stay when the fault has passed.
func kept[T any](faults *sparse.Faults, find func() T) func() T {
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

// keep returns what is kept in a cache under key, or finds it, and keeps it as kept does.
func keep[K comparable, V any](faults *sparse.Faults, cache *lru.Cache[K, V], key K, find func() V) V {
	if v, ok := cache.Get(key); ok {
		return v
	}
	before := faults.Count()
	v := find()
	if faults.Count() == before {
		cache.Add(key, v)
	}
	return v
}
