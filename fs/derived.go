package fs

import (
	"slices"
	"sync/atomic"
)

// derived keeps a value that was made from a list, as long as the list stays the same. Its zero value keeps nothing
// yet.
type derived[T comparable, V any] struct{ kept atomic.Pointer[madeOf[T, V]] }

// madeOf is a value, with the list that it was made from.
type madeOf[T comparable, V any] struct {
	list  []T
	value V
}

// of returns the value that make makes from the list, or the kept one if the list is the same.
func (d *derived[T, V]) of(list []T, make func(list []T) V) V {
	if m := d.kept.Load(); m != nil && sameList(m.list, list) {
		return m.value
	}
	m := &madeOf[T, V]{list, make(list)}
	d.kept.Store(m)
	return m.value
}

// sameList reports whether two lists are equal. Most of the time they are the very same.
func sameList[T comparable](a, b []T) bool {
	if len(a) == len(b) && len(a) > 0 && &a[0] == &b[0] {
		return true
	}
	return slices.Equal(a, b)
}
