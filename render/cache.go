package render

import (
	"container/list"
	"errors"
	"sync"
)

// DefaultCacheSize is a sensible size for [NewCache], in bytes: enough to turn executables of up to 16 MiB with one
// reading.
const DefaultCacheSize = 32 << 20

// Cache bounds the memory of the pictures that share it. A horizontal picture is its data turned on their side, and a
// row of it needs bytes from all over the data. The cache holds pieces that are already turned, and forgets the pieces
// that were not used for longest. Pictures hold hardly any other memory. It is safe for concurrent use.
type Cache struct {
	limit int64
	pool  bufferPool

	mu    sync.Mutex
	used  int64
	tiles map[tileKey]*list.Element // of *tile
	order list.List                 // most recently used first
}

// NewCache returns a cache of at most size bytes (at least 64 KiB), besides
// the pieces being read at that moment.
func NewCache(size int64) *Cache {
	return &Cache{limit: max(size, 64<<10), tiles: make(map[tileKey]*list.Element)}
}

// band returns how many bytes of one picture are turned at a time: half of
// the cache, so that a reader crossing from one band into the next, with the
// kernel's read-ahead out of order, does not lose the first.
func (c *Cache) band() int64 { return c.limit / 2 }

type tileKey struct {
	picture  *columns
	row, col int64 // in tiles
}

// tile is one piece of a turned picture. Its cells are set before ready is
// closed and never written again.
type tile struct {
	key   tileKey
	ready chan struct{}
	cells []byte // nil where all are zero
	err   error
}

// tileOverhead is the memory of a tile besides its cells.
const tileOverhead = 256

func (t *tile) weight() int64 { return int64(len(t.cells)) + tileOverhead }

// get returns the tile of the key, made by draw if it is not held. Of several
// that ask at once one draws and the others wait. A failure is not kept.
func (c *Cache) get(key tileKey, draw func() ([]byte, error)) ([]byte, error) {
	c.mu.Lock()
	if e, ok := c.tiles[key]; ok {
		c.order.MoveToFront(e)
		c.mu.Unlock()
		t := e.Value.(*tile)
		<-t.ready
		return t.cells, t.err
	}
	t := &tile{key: key, ready: make(chan struct{}), err: errInterrupted}
	c.tiles[key] = c.order.PushFront(t)
	c.mu.Unlock()

	defer close(t.ready)
	defer c.settle(t) // even if drawing panics: nobody may wait for ever
	t.cells, t.err = draw()
	return t.cells, t.err
}

// errInterrupted is the fate of a tile until it is drawn.
var errInterrupted = errors.New("render: drawing was interrupted")

// settle accounts for a tile that has just been drawn.
func (c *Cache) settle(t *tile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.tiles[t.key]
	if t.err != nil {
		c.order.Remove(e)
		delete(c.tiles, t.key)
		return
	}
	c.used += t.weight()
	c.evict(e)
}

// evict drops the tiles that were not used for longest until the cache is within its limit. Tiles still being drawn
// weigh nothing yet and stay, and so does keep.
func (c *Cache) evict(keep *list.Element) {
	for e := c.order.Back(); e != nil && c.used > c.limit; {
		prev, t := e.Prev(), e.Value.(*tile)
		if e != keep && drawn(t) {
			c.used -= t.weight()
			c.order.Remove(e)
			delete(c.tiles, t.key)
		}
		e = prev
	}
}

func drawn(t *tile) bool {
	select {
	case <-t.ready:
		return true
	default:
		return false
	}
}

// bufferSize is the length of a scratch buffer: large enough that the cost of
// a read does not matter, small enough to stay in the processor's cache.
const bufferSize = 256 << 10

// bufferPool lends scratch buffers of bufferSize bytes.
type bufferPool struct{ pool sync.Pool }

func (b *bufferPool) get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, bufferSize)
}

func (b *bufferPool) put(p []byte) { b.pool.Put(&p) }
