package fs

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"memlens/memimage/sparse"
)

// later returns a file of known size, whose bytes make returns when they are first read. The bytes are kept under key,
// and by the open file.
func (f *FS) later(key string, size int64, make func(ctx context.Context) ([]byte, error)) Content {
	return &later{size: size, making: semaphore.NewWeighted(1), make: func(ctx context.Context) ([]byte, error) {
		data, err := f.texts.get(ctx, key, func() ([]byte, error) { return make(ctx) })
		if err == nil && int64(len(data)) != size {
			err = fmt.Errorf("fs: %d bytes were announced, %d made", size, len(data))
		}
		return data, err
	}}
}

// measured returns the size of a file: the size that is kept under key, or the result of measure. It is an error if a
// read of the image failed meanwhile, or ctx ended. A size takes less memory than the file.
func (f *FS) measured(ctx context.Context, key string, measure func() (int64, error)) (int64, error) {
	if n, ok := f.sizes.Get(key); ok {
		return n, nil
	}
	n, err := f.measuredAnew(ctx, key, measure)
	if err == nil {
		f.sizes.Add(key, n)
	}
	return n, err
}

// measuredAnew is measured for a file whose size may change: no size is kept.
func (f *FS) measuredAnew(ctx context.Context, _ string, measure func() (int64, error)) (int64, error) {
	before := f.image.Faults().Count()
	n, err := measure()
	if err == nil {
		err = cmp.Or(ctx.Err(), f.image.Faults().Since(before))
	}
	return n, err
}

// keptSizes is for how many files sizes are kept: a program that has looked at a file may open it next.
const keptSizes = 1 << 10

// later is a file that is made when it is read. The first reader makes it, and others wait. If the first reader goes
// away before it is done, the next reader begins anew.
type later struct {
	size   int64
	make   func(ctx context.Context) ([]byte, error)
	making *semaphore.Weighted
	data   atomic.Pointer[[]byte] // nil: not made yet
}

func (l *later) isMade() bool { return l.data.Load() != nil }

// made returns the bytes. If they could not be made, the next call tries again.
func (l *later) made(ctx context.Context) ([]byte, error) {
	if data := l.data.Load(); data != nil {
		return *data, nil
	}
	if err := l.making.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer l.making.Release(1)
	if data := l.data.Load(); data != nil {
		return *data, nil
	}
	data, err := l.make(ctx)
	if err == nil {
		l.data.Store(&data)
	}
	return data, err
}

// Size implements [Content].
func (l *later) Size() int64 { return l.size }

// ReadAt implements [Content].
func (l *later) ReadAt(p []byte, off int64) (int, error) {
	return l.readAt(context.Background(), p, off)
}

func (l *later) readAt(ctx context.Context, p []byte, off int64) (int, error) {
	data, err := l.made(ctx)
	if err != nil {
		return 0, err
	}
	if off >= l.size {
		return 0, io.EOF
	}
	n := copy(p, data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// readAt reads the body for a reader that may go away.
func (b *body) readAt(ctx context.Context, p []byte, off int64) (int, error) {
	if l, ok := b.Content.(*later); ok {
		return l.readAt(ctx, p, off)
	}
	return b.ReadAt(p, off)
}

// within returns the body for work that is to end with ctx: each read fails from then on. Closing is left to the body.
func (b *body) within(ctx context.Context) *body {
	out := *b
	out.Content, out.close = sized{sparse.Within(ctx, b.Content), b.Size()}, nil
	return &out
}
