package sparse

import (
	"sync"
	"sync/atomic"
)

// Faults counts the failed reads of one image and of all files that belong to it. Code that keeps a result of reading
// compares the count before and after: if it has grown, the result may come from a fault that passes, and must not be
// kept. The zero value is ready to use.
type Faults struct {
	count atomic.Int64
	mu    sync.Mutex
	last  error
	// forgotten is how often Forget was called.
	forgotten atomic.Int64
}

// Count returns how many reads have failed so far. It never decreases. A nil *Faults counts no faults.
func (f *Faults) Count() int64 {
	if f == nil {
		return 0
	}
	return f.count.Load()
}

// Last returns the error of the read that failed last, or nil.
func (f *Faults) Last() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// Since returns the error of the last failed read if there was one since the count was n, and nil otherwise.
func (f *Faults) Since(n int64) error {
	if f.Count() == n {
		return nil
	}
	return f.Last()
}

// Check returns err as a *[ReadError], and counts it, if it is neither a hole nor the end: then reading at off
// failed. Other errors it returns as they are.
func (f *Faults) Check(err error, off int64) error {
	if !isFault(err) {
		return err
	}
	err = readError(err, off)
	f.Repeat(err)
	return err
}

// Repeat counts a failed read once more. It is for results that are kept for a while although the read failed on which they
// depend: whoever gets such a result must not keep it either.
func (f *Faults) Repeat(err error) {
	if f == nil {
		return
	}
	f.mu.Lock()
	f.last = err
	f.mu.Unlock()
	f.count.Add(1)
}

// Watch returns s with its failed reads counted by f. A place that cannot be read is not read again for some seconds.
func (f *Faults) Watch(s Source) Source { return &watched{Source: s, faults: f} }

// Forgotten returns how often Forget was called.
func (f *Faults) Forgotten() int64 {
	if f == nil {
		return 0
	}
	return f.forgotten.Load()
}

// Forget makes readers forget the places that could not be read. It is for callers who know that these can be read
// now.
func (f *Faults) Forget() { f.forgotten.Add(1) }

type watched struct {
	Source
	faults *Faults
	bad    badPlaces
}

// ReadAt implements [Source].
func (w *watched) ReadAt(p []byte, off int64) (int, error) {
	n, err := w.read(p, off)
	if n < len(p) {
		err = w.faults.Check(err, off+int64(n))
	}
	return n, err
}

// Probe implements [Source].
func (w *watched) Probe(off int64) (int64, error) {
	n, err := w.Source.Probe(off)
	return n, w.faults.Check(err, off)
}

// Zeros implements [Zeroer].
func (w *watched) Zeros(off int64) int64 { return Zeros(w.Source, off) }
