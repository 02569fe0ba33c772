package remote

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/minio/minio-go/v7"
)

const (
	// blockSize is the unit in which bytes are kept and requested: pages that belong together often lie near each
	// other, but seldom nearer than that.
	blockSize = 64 << 10
	// spanBlocks bounds the blocks in one request, longSpan bounds the blocks in a request ahead of a reader who has
	// read much in order.
	spanBlocks, longSpan = 16, 64
	// keptBlocks is how many blocks are kept in memory, of all files of an image: 64 MiB.
	keptBlocks = 1024
	// inFlight is how many requests run at the same time.
	inFlight = 16
	// maxWaiting is how many more requests may wait; beyond it, nothing is requested ahead.
	maxWaiting = 4 * inFlight
	// badFor is how long a failed block is not requested again: after a failed read of many pages, a reader looks for
	// the page that failed.
	badFor = time.Second
)

// errClosed is the cause for requests that end because the source was closed.
var errClosed = errors.New("the source is closed")

// pool holds the resources that the files of an image share: the connections, the blocks in memory, and the folder of
// blocks.
type pool struct {
	options         Options
	ctx             context.Context
	end             context.CancelCauseFunc
	client          *http.Client
	s3              func() (*minio.Client, error)
	requests, bytes atomic.Int64
	waiting         atomic.Int64           // flights that have not ended
	tried           atomic.Pointer[string] // the places where credentials were looked for and not found
	disk            *diskCache
	slots           chan struct{}
	running         sync.WaitGroup

	mu      sync.Mutex
	blocks  *lru.Cache[blockID, []byte]
	flights map[blockID]*flight
	closed  bool
}

// blockID names a block of an object by its number.
type blockID struct {
	object *object
	number int64
}

// flight is a run of blocks in one request. blocks and err are set when done is closed.
type flight struct {
	object      *object
	from, count int64
	done        chan struct{}
	blocks      [][]byte  // as far as they came
	err         error     // of the blocks that did not come
	until       time.Time // after a failure: the blocks are not requested again before that time
}

func newPool(ctx context.Context, o Options) (*pool, error) {
	if o.stall <= 0 {
		o.stall = stallTimeout
	}
	p := &pool{options: o, slots: make(chan struct{}, inFlight), flights: map[blockID]*flight{}}
	disk, err := newDiskCache(o)
	if err != nil {
		return nil, err
	}
	p.disk = disk
	p.ctx, p.end = context.WithCancelCause(ctx)
	p.client = newClient(&p.requests)
	p.s3 = sync.OnceValues(p.newS3)
	p.blocks, _ = lru.New[blockID, []byte](keptBlocks) // fails only for a negative size
	return p, nil
}

// close ends all requests and waits until they have ended.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.end(errClosed)
	p.running.Wait()
	p.client.CloseIdleConnections()
}

// keep keeps a block in memory and in the folder.
func (p *pool) keep(id blockID, data []byte) {
	p.blocks.Add(id, data)
	id.object.disk.store(id.number, data)
}

// landed is a flight of one block that has ended.
func landed(id blockID, data []byte, err error) *flight {
	f := &flight{object: id.object, from: id.number, count: 1, done: make(chan struct{}), blocks: [][]byte{data}, err: err}
	close(f.done)
	return f
}

// wait returns a block when it is here. A block that is here is returned even when ctx has ended.
func (f *flight) wait(ctx context.Context, number int64) ([]byte, error) {
	select {
	case <-f.done:
	default:
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if i := number - f.from; i < int64(len(f.blocks)) && f.blocks[i] != nil {
		return f.blocks[i], nil
	}
	return nil, f.err
}

// ask returns the flights of the blocks from first to before end, one for each. It requests the blocks that are
// neither here nor on their way, at most span blocks in one request. Readers that ask for a block at the same time
// wait for the same request. If blocks near them were requested before, the blocks between come, too.
func (p *pool) ask(o *object, first, end, span int64) []*flight {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out, started []*flight
	var fresh *flight
	from, until := p.neighbours(o, first, end)
	for n := from; n < until; n++ {
		id := blockID{o, n}
		f := p.known(id)
		switch {
		case f != nil:
			fresh = nil
		case fresh != nil && fresh.count < span:
			f = fresh
			f.count++
		default:
			f = &flight{object: o, from: n, count: 1, done: make(chan struct{})}
			fresh, started = f, append(started, f)
		}
		if f == fresh {
			p.flights[id] = f
		}
		if first <= n && n < end {
			out = append(out, f)
		}
	}
	p.waiting.Add(int64(len(started)))
	for _, f := range started {
		p.running.Go(func() { p.fly(f) })
	}
	return out
}

// known returns the flight of a block that is here or on its way, or that failed just now; nil when there is none. p.mu is
// held.
func (p *pool) known(id blockID) *flight {
	if data, ok := p.blocks.Get(id); ok {
		return landed(id, data, nil)
	}
	if f := p.flights[id]; f != nil && (f.until.IsZero() || time.Now().Before(f.until)) {
		return f
	}
	if p.closed {
		return landed(id, nil, errClosed)
	}
	return nil
}

// missing returns the first block from first to before end that is neither here nor on its way; end when there is
// none.
func (p *pool) missing(o *object, first, end int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := first; n < end; n++ {
		if !p.has(o, n) {
			return n
		}
	}
	return end
}

// fly loads the blocks of a flight.
func (p *pool) fly(f *flight) {
	blocks, err := p.get(f)
	p.waiting.Add(-1)
	p.mu.Lock()
	defer p.mu.Unlock()
	f.blocks, f.err = blocks, err
	for i := range f.count {
		id := blockID{f.object, f.from + i}
		if blocks[i] != nil {
			p.blocks.Add(id, blocks[i])
			delete(p.flights, id)
		}
	}
	if err != nil {
		p.forget(f)
	}
	close(f.done)
}

// forget allows new requests for the blocks of a failed flight after a while. p.mu is held.
func (p *pool) forget(f *flight) {
	f.until = time.Now().Add(badFor)
	time.AfterFunc(badFor, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for i := range f.count {
			if id := (blockID{f.object, f.from + i}); p.flights[id] == f {
				delete(p.flights, id)
			}
		}
	})
}

// get reads the blocks of a flight from the folder, or else from the server. With an error it returns the blocks that
// came.
func (p *pool) get(f *flight) ([][]byte, error) {
	blocks := make([][]byte, f.count)
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-p.ctx.Done():
		return blocks, context.Cause(p.ctx)
	}
	for i := range blocks {
		n := f.from + int64(i)
		blocks[i] = f.object.disk.load(n, f.object.blockLen(n))
	}
	for i := 0; i < len(blocks); i++ {
		end := i
		for end < len(blocks) && blocks[end] == nil {
			end++
		}
		if end == i {
			continue
		}
		if err := f.object.fill(p.ctx, f.from+int64(i), blocks[i:end]); err != nil {
			return blocks, err
		}
		i = end
	}
	return blocks, nil
}

// blockLen is the length of a block: the last is shorter.
func (o *object) blockLen(number int64) int64 { return min(blockSize, o.pin.size-number*blockSize) }

// fill fetches neighbouring blocks, in one request when all goes well. Each block has its own piece of memory, so
// that a kept block does not keep the others in memory.
func (o *object) fill(ctx context.Context, first int64, blocks [][]byte) error {
	last := first + int64(len(blocks)) - 1
	buf := make([]byte, (last-first)*blockSize+o.blockLen(last))
	got, err := o.fetch(ctx, first*blockSize, buf)
	for i := range blocks {
		from := i * blockSize
		to := min(from+blockSize, len(buf))
		if to > got {
			break
		}
		blocks[i] = slices.Clone(buf[from:to])
		o.disk.store(first+int64(i), blocks[i])
	}
	return err
}
