package nt

import (
	"context"
	"runtime"
	"sync"

	"memlens/memimage/paging"
	"memlens/memimage/rescue"
	"memlens/memimage/sparse"
)

// stretch is a range of physical memory to read, and the length of one read, in bytes.
type stretch struct{ start, end, chunk int64 }

const (
	// sweepChunk is the length of one read for structures, which may lie over several pages.
	sweepChunk = 1 << 20
	// tableChunk is the length where each page is looked at by itself: a processor's own cache holds it from reading to
	// looking.
	tableChunk = 512 << 10
)

// sweepJob is a chunk of memory to look at and where the result goes.
type sweepJob[T any] struct {
	off    int64
	result chan looked[T]
}

// looked holds the hits in a chunk. The error is a panic in look.
type looked[T any] struct {
	hits []T
	err  error
}

// sweep reads a stretch of physical memory once, in parallel, and calls found with the hits of look in each chunk, in
// the order of addresses. look gets a chunk of whole pages and its address, and may be called from several goroutines
// at once. found returns false to end the sweep. progress, when not nil, is called with the bytes that found has seen.
// Memory that cannot be read is skipped, page by page. A panic in look is the error of the sweep.
func sweep[T any](ctx context.Context, mem *sparse.Reader, s stretch, look func(p []byte, pa paging.Phys) []T,
	found func([]T) bool, progress func(done, total int64)) error {
	ctx, cancel := context.WithCancel(ctx)
	workers := max(runtime.GOMAXPROCS(0), 1)
	queue, order := make(chan sweepJob[T]), make(chan sweepJob[T], 4*workers)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for range workers {
		wg.Go(func() {
			buf := make([]byte, s.chunk)
			for j := range queue {
				n := readable(mem, buf[:min(s.chunk, s.end-j.off)], j.off)
				var l looked[T]
				l.err = rescue.Call(func() error { l.hits = look(buf[:n&^(pageSize-1)], paging.Phys(j.off)); return nil })
				j.result <- l
			}
		})
	}
	wg.Go(func() { feed(ctx, mem, s, queue, order) })
	for j := range order {
		var l looked[T]
		select {
		case l = <-j.result:
		case <-ctx.Done():
			return ctx.Err()
		}
		if l.err != nil {
			return l.err
		}
		if progress != nil {
			progress(j.off-s.start, s.end-s.start)
		}
		if len(l.hits) > 0 && !found(l.hits) {
			return nil
		}
	}
	return ctx.Err()
}

// feed gives every chunk that holds any memory to the workers, and in the order of addresses to the reader of the
// results, until ctx ends.
func feed[T any](ctx context.Context, mem *sparse.Reader, s stretch, queue, order chan<- sweepJob[T]) {
	defer close(order)
	defer close(queue)
	for off := s.nextData(mem, s.start); off < s.end; off = s.nextData(mem, off+s.chunk) {
		j := sweepJob[T]{off, make(chan looked[T], 1)}
		for _, to := range []chan<- sweepJob[T]{order, queue} {
			select {
			case to <- j:
			case <-ctx.Done():
				return
			}
		}
	}
}

// readable fills p with the memory at off, and with zeros where memory is missing or reading fails; it returns how much
// lies before the end of memory. No search finds anything in such zeros.
func readable(mem sparse.Source, p []byte, off int64) int {
	filled := sparse.ZeroFill(mem, nil)
	done := 0
	for done < len(p) {
		n, err := filled.ReadAt(p[done:], off+int64(done))
		if done += n; !sparse.Failed(err) {
			break
		}
		bad := min(len(p), done&^(pageSize-1)+pageSize)
		clear(p[done:bad])
		done = bad
	}
	return done
}

// nextData returns the start of the chunk at or behind off that holds any memory that is not known to be zero, or the end.
func (s stretch) nextData(mem *sparse.Reader, off int64) int64 {
	for off < s.end {
		data, err := sparse.NextData(mem, off)
		if sparse.Failed(err) { // its contents are not known: the reader skips the part that it cannot read
			return off
		}
		if err != nil || data >= s.end {
			break
		}
		zeros := mem.Zeros(data)
		if off = max(off, data&^(s.chunk-1)); data+zeros < off+s.chunk {
			return off
		}
		off = max(off, (data+zeros)&^(s.chunk-1))
	}
	return s.end
}
