package sparse

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// badFor is how long a place that could not be read is not read again. A failing disk tries for seconds before it
	// gives up, and thousands of structures may lie on one page. A fault that passes must be forgotten soon.
	badFor = 3 * time.Second
	// badUnit is the size of such a place in bytes: a page.
	badUnit = 4096
	// maxBadPlaces bounds the places that are remembered.
	maxBadPlaces = 1 << 16
)

// badPlace is a place that could not be read.
type badPlace struct {
	err       error
	until     time.Time
	forgotten int64 // how often Forget had been called
}

// badPlaces remembers the places of a file that could not be read, by their numbers. It is safe for concurrent use.
type badPlaces struct {
	count  atomic.Int64 // number of places; for a sound file, a look at it is the only cost
	trying sync.Mutex   // held while one place is tried alone: other readers that met it wait for the result
	mu     sync.Mutex
	places map[int64]badPlace
}

// first returns the number of the first place between two offsets that is known to be bad, and the error of reading it.
func (b *badPlaces) first(off, end, forgotten int64) (place int64, err error) {
	if b.count.Load() == 0 {
		return 0, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for n := off / badUnit; n*badUnit < end; n++ {
		p, ok := b.places[n]
		if !ok {
			continue
		}
		if p.forgotten == forgotten && now.Before(p.until) {
			return n, p.err
		}
		b.drop(n)
	}
	return 0, nil
}

// add remembers a place.
func (b *badPlaces) add(place int64, err error, forgotten int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if len(b.places) >= maxBadPlaces {
		for n, p := range b.places {
			if p.forgotten != forgotten || now.After(p.until) {
				b.drop(n)
			}
		}
	}
	if b.places == nil {
		b.places = map[int64]badPlace{}
	}
	if _, there := b.places[place]; there || len(b.places) < maxBadPlaces {
		b.places[place] = badPlace{err, now.Add(badFor), forgotten}
		b.count.Store(int64(len(b.places)))
	}
}

func (b *badPlaces) drop(place int64) {
	delete(b.places, place)
	b.count.Store(int64(len(b.places)))
}

// read reads the bytes before the first place that is known to be bad.
func (w *watched) read(p []byte, off int64) (int, error) {
	if off < 0 {
		return w.Source.ReadAt(p, off)
	}
	forgotten := w.faults.Forgotten()
	place, bad := w.bad.first(off, off+int64(len(p)), forgotten)
	if bad == nil {
		return w.find(p, off, forgotten)
	}
	before := place*badUnit - off
	if before <= 0 {
		return 0, bad
	}
	n, err := w.find(p[:before], off, forgotten)
	if int64(n) < before {
		return n, err
	}
	return n, bad
}

// find reads p at off. If that fails, it tries the places one by one, since a failed read of many places does not say
// which one is bad; the places before the bad one are read. If several readers meet a bad place at the same time,
// each has failed once by then, and only one reader tries the place alone.
func (w *watched) find(p []byte, off, forgotten int64) (int, error) {
	n, err := w.Source.ReadAt(p, off)
	if n == len(p) || !isFault(err) {
		return n, err
	}
	w.bad.trying.Lock()
	defer w.bad.trying.Unlock()
	for n < len(p) {
		at := off + int64(n)
		place := at / badUnit
		if _, err := w.bad.first(at, at+1, forgotten); err != nil {
			return n, err
		}
		end := min((place+1)*badUnit-off, int64(len(p)))
		m, err := w.Source.ReadAt(p[n:end], at)
		n += m
		if int64(n) == end {
			continue
		}
		if isFault(err) {
			w.bad.add(place, err, forgotten)
		}
		return n, err
	}
	return n, nil
}

// isFault reports whether an error says that reading failed: the error is neither the end nor a hole.
func isFault(err error) bool { return err != nil && !IsHole(err) && !errors.Is(err, io.EOF) }
