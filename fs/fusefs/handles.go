//go:build linux

package fusefs

import "sync"

// handles are the open files or directories, by the number that the kernel has for each.
type handles[T any] struct {
	mu   sync.Mutex
	last uint64
	open map[uint64]T
}

// add returns a number for something that was opened.
func (h *handles[T]) add(of T) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open == nil {
		h.open = map[uint64]T{}
	}
	h.last++
	h.open[h.last] = of
	return h.last
}

// get returns the value with a number; the zero value if there is none.
func (h *handles[T]) get(number uint64) T {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open[number]
}

// remove returns the value with a number, which is free from then on.
func (h *handles[T]) remove(number uint64) T {
	h.mu.Lock()
	defer h.mu.Unlock()
	of := h.open[number]
	delete(h.open, number)
	return of
}
