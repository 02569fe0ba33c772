package fs

import (
	"slices"
	"sync/atomic"
)

// derived keeps what was made of a list, as long as the list stays the same. Its zero value keeps nothing yet.
type derived[T comparable, V any] struct{ kept atomic.Pointer[madeOf[T, V]] }

// madeOf is what was made of a list.
type madeOf[T comparable, V any] struct {
	list  []T
	value V
}

// of returns what make makes of the list, or made of it before.
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
