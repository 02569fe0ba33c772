package remote

import (
	"fmt"
	"io"
	"sync"
)

const (
	// window is how many blocks of a long read are requested at once, mostAhead is how many are requested ahead of a
	// reader who reads in order.
	window, mostAhead = inFlight * spanBlocks, window / 2
	// near is the largest distance, in blocks, from the last read to the next one that still counts as reading in
	// order: several readers may read parts of one range in turn.
	near = 8 * spanBlocks
	// maxStreams is the number of readers of a file in order, at different places, that are told apart.
	maxStreams = 4
)

// reader reads an object in blocks.
type reader struct {
	object  *object
	mu      sync.Mutex
	streams [maxStreams]stream
	clock   int64 // counts reads
}

// stream is a reader who reads a file in order.
type stream struct {
	next int64 // the block behind the last read
	run  int64 // how many blocks were read in order
	used int64 // the time of the last read, in clock; 0: the stream is not in use
}

// ReadAt implements [io.ReaderAt] within the object.
func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		n, err := r.some(p[done:min(len(p), done+(window-1)*blockSize)], off+int64(done))
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// WillNeed implements [sparse.Late]. If many requests are on their way already, it requests nothing.
func (r *reader) WillNeed(off, n int64) bool {
	o := r.object
	n = min(n, o.pin.size-off, spanBlocks*blockSize)
	if off >= 0 && n > 0 && o.pool.waiting.Load() < maxWaiting {
		o.pool.ask(o, off/blockSize, (off+n-1)/blockSize+1, spanBlocks)
	}
	return true
}

// some reads the part of p that lies in a window of blocks.
func (r *reader) some(p []byte, off int64) (int, error) {
	o := r.object
	if off >= o.pin.size {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), o.pin.size-off)]
	first, end := off/blockSize, (off+int64(len(p))-1)/blockSize+1
	flights := o.pool.ask(o, first, end, spanBlocks)
	r.ahead(first, end)
	done := 0
	for i, f := range flights {
		data, err := f.wait(o.pool.ctx, first+int64(i))
		if err != nil {
			return done, fmt.Errorf("%s: %w", o, err)
		}
		done += copy(p[done:], data[(off+int64(done))%blockSize:])
	}
	return done, nil
}

// ahead requests blocks behind the blocks from first to before end: the longer the file was read in order, the more
// blocks.
func (r *reader) ahead(first, end int64) {
	run, next := r.follow(first, end)
	last := (r.object.pin.size + blockSize - 1) / blockSize
	until := min(next+min(run, mostAhead), last)
	from := r.object.pool.missing(r.object, next, until)
	span := int64(spanBlocks)
	if run >= mostAhead {
		span = longSpan
	}
	if run >= spanBlocks/4 && (until-from >= min(span, run/2) || until == last) {
		r.object.pool.ask(r.object, from, until, span)
	}
}

// follow notes which blocks are read. It returns how many blocks were read in order up to now, and the number of the
// next block.
func (r *reader) follow(first, end int64) (run, next int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clock++
	oldest := &r.streams[0]
	for i := range r.streams {
		s := &r.streams[i]
		if s.used < oldest.used {
			oldest = s
		}
		if first < s.next-near || first > s.next+spanBlocks || s.used == 0 {
			continue
		}
		s.used = r.clock
		if end > s.next {
			s.run, s.next = s.run+end-max(first, s.next), end
		}
		return s.run, s.next
	}
	*oldest = stream{next: end, used: r.clock}
	return 0, end
}
