package memimage

import (
	lru "github.com/hashicorp/golang-lru/v2"

	"memlens/memimage/sparse"
)

// keep returns the value that a cache has under key, or finds it, and keeps it as [sparse.Kept] does.
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
