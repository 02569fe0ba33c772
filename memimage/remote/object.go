package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"memlens/memimage/reason"
)

const (
	// attemptTimeout bounds one request, stallTimeout bounds a time in which no bytes come.
	attemptTimeout, stallTimeout = time.Minute, 10 * time.Second
	// firstPause is the pause after the first failed attempt, longestPause is the longest pause after later attempts.
	firstPause, longestPause = 100 * time.Millisecond, 5 * time.Second
	// maxAttempts bounds the attempts for a block if each attempt brings only a few bytes.
	maxAttempts = 64
	// downFor is how long, after a block did not come in time, other blocks are given up after downDeadline.
	downFor, downDeadline = 10 * time.Second, time.Second
)

// object is a remote file that is pinned.
type object struct {
	place
	pool     *pool
	pin      *pin
	disk     *objectCache
	deadline time.Duration
	density  density // pool.mu is held
	// changed is the error of an object that has changed: it stays so.
	changed atomic.Pointer[ChangedError]
	// failed is the last time when a block did not come in time, in nanoseconds since 1970.
	failed atomic.Int64
}

// first fills buf from the start of the object and pins it. It returns how many bytes there are.
func (o *object) first(ctx context.Context, buf []byte) (n int, err error) {
	err = o.persist(ctx, func() (bool, error) {
		n, err = o.attempt(ctx, 0, buf)
		return false, err
	})
	if errors.Is(err, errEmpty) {
		o.pin = new(pin)
		return 0, nil
	}
	return n, err
}

// fetch fills buf from off on, and returns how many bytes it got. Bytes that came before a connection was cut are not
// requested again.
func (o *object) fetch(ctx context.Context, off int64, buf []byte) (got int, err error) {
	if changed := o.changed.Load(); changed != nil {
		return 0, changed
	}
	err = o.persist(ctx, func() (bool, error) {
		n, err := o.attempt(ctx, off+int64(got), buf[got:])
		got += n
		return n > 0, err
	})
	if changed := (*ChangedError)(nil); errors.As(err, &changed) {
		o.changed.Store(changed)
	}
	return got, err
}

// persist tries until it succeeds, the fault is of a kind that does not pass, or the time is over. try reports whether it has
// brought anything.
func (o *object) persist(ctx context.Context, try func() (bool, error)) error {
	start, deadline, pause := time.Now(), o.patience(), firstPause
	for i := 1; ; i++ {
		some, err := try()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case isUnknownName(err):
			return reason.With(reason.ReadFailed, err)
		case !mayPass(err):
			return err
		}
		if some {
			start, pause = time.Now(), firstPause
		}
		wait := max(pause/2+rand.N(pause), askedPause(err))
		if time.Since(start)+wait > deadline || i >= maxAttempts {
			o.failed.Store(time.Now().UnixNano())
			return reason.Errorf(reason.ReadFailed, "given up after %d attempts: %w", i, ofAttempt(err))
		}
		sleep(ctx, wait)
		pause = min(2*pause, longestPause)
	}
}

// ofAttempt returns the error of an attempt in a form that nobody takes for the end of the whole work, which has its
// own deadline.
func ofAttempt(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New(err.Error())
	}
	return err
}

// askedPause is how long a server asks the client to wait.
func askedPause(err error) time.Duration {
	if status, ok := errors.AsType[*StatusError](err); ok {
		return status.After
	}
	return 0
}

// patience is how long a block is tried for.
func (o *object) patience() time.Duration {
	if failed := o.failed.Load(); failed != 0 && time.Since(time.Unix(0, failed)) < downFor {
		return min(o.deadline, downDeadline)
	}
	return o.deadline
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// stalledError is the cause of an attempt that was ended because nothing came.
func stalledError(d time.Duration) error { return fmt.Errorf("nothing came for %v", d) }

// attempt asks once for the bytes at off, as many as buf holds or the object has, and returns how many it got.
func (o *object) attempt(ctx context.Context, off int64, buf []byte) (int, error) {
	ctx, end := context.WithTimeout(ctx, attemptTimeout)
	defer end()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	patience := o.pool.options.stall
	stall := time.AfterFunc(headerTimeout+patience, func() { stop(stalledError(patience)) })
	defer stall.Stop()
	header, body, err := o.get(ctx, off, int64(len(buf)), o.pin)
	if err != nil {
		return 0, cause(ctx, err)
	}
	defer body.Close()
	n, err := o.promised(header, off, len(buf))
	if err != nil {
		return 0, err
	}
	got, err := io.ReadFull(&moving{body, stall, patience, &o.pool.bytes}, buf[:n])
	if err != nil {
		return got, cause(ctx, err)
	}
	if more, _ := body.Read(make([]byte, 1)); more > 0 {
		return 0, answerError("the answer is longer than it says")
	}
	if o.pin == nil {
		_, _, size, _ := contentRange(header.Get("Content-Range"))
		o.pin = newPin(header, size)
	}
	return got, nil
}

// cause returns the reason why a context ended, if that is the reason of an error.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the connection was cut")
	}
	return err
}

// promised returns how many of the want bytes from off on an answer holds: it must hold all that the object has.
func (o *object) promised(h http.Header, off int64, want int) (int, error) {
	said := h.Get("Content-Range")
	if said == "" {
		return 0, errNoRanges
	}
	from, to, size, err := contentRange(said)
	if err != nil {
		return 0, err
	}
	if o.pin != nil {
		if err := o.pin.check(h, size); err != nil {
			return 0, err
		}
	}
	if from != off || to != min(off+int64(want), size) {
		return 0, answerError("the answer holds other bytes (%s) than were asked for (%d-%d)", said, off, off+int64(want)-1)
	}
	if length := h.Get("Content-Length"); length != "" && length != fmt.Sprint(to-from) {
		return 0, answerError("the answer has %.20s bytes and says that they are %s", length, said)
	}
	return int(to - from), nil
}

// moving reads an answer. Its timeout starts again whenever bytes come.
type moving struct {
	r     io.Reader
	stall *time.Timer
	after time.Duration
	bytes *atomic.Int64
}

// Read implements [io.Reader].
func (m *moving) Read(p []byte) (int, error) {
	m.stall.Reset(m.after)
	n, err := m.r.Read(p)
	m.bytes.Add(int64(n))
	return n, err
}
