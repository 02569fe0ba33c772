package remote

import (
	"fmt"
	"io"
	"sync"
)

const (
	// window is how many blocks are asked for at once of a long read, and how many ahead of one who reads in order.
	window = inFlight * spanBlocks
	// near is how far, in blocks, the next read may be from the last one in a file that is read in order: several may read parts
	// of one range in turn.
	near = 2 * spanBlocks
)

// reader reads an object in blocks.
type reader struct {
	object *object
	mu     sync.Mutex
	next   int64 // the block behind those that were read last
	run    int64 // how many were read in order
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

// some reads from a window of blocks.
func (r *reader) some(p []byte, off int64) (int, error) {
	o := r.object
	if off >= o.pin.size {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), o.pin.size-off)]
	first, end := off/blockSize, (off+int64(len(p))-1)/blockSize+1
	flights := o.pool.ask(o, first, end)
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

// ahead asks for blocks behind those from first to before end, the more the longer the file is read in order.
func (r *reader) ahead(first, end int64) {
	run, next := r.follow(first, end)
	last := (r.object.pin.size + blockSize - 1) / blockSize
	until := min(next+min(run, window), last)
	from := r.object.pool.missing(r.object, next, until)
	if run >= spanBlocks/4 && (until-from >= min(spanBlocks, run/2) || until == last) {
		r.object.pool.ask(r.object, from, until)
	}
}

// follow notes which blocks are read. It returns how many were read in order up to now, and which comes next.
func (r *reader) follow(first, end int64) (run, next int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case first < r.next-near || first > r.next+near/2:
		r.run, r.next = 0, end
	case end > r.next:
		r.run, r.next = r.run+end-r.next, end
	}
	return r.run, r.next
}
