package format

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"memlens/memimage/rescue"
	"memlens/memimage/sparse"
)

const (
	// cacheBytes is how much of a compressed container is kept unpacked.
	cacheBytes = 24 << 20
	// maxBlocks bounds the blocks of a compressed container; an index takes some 20 bytes for each.
	maxBlocks = 2 << 20
)

// blocks is a range of bytes that is stored in blocks, each of which is unpacked on its own. Unpacked blocks are kept
// in a bounded cache. A damaged block is a hole: only its own bytes are missing. Only unpacking shows that a block is
// damaged, so Probe unpacks it, once. It implements [sparse.Source].
type blocks struct {
	index blockIndex
	load  func(i int) ([]byte, error) // exactly as many bytes as the index says
	cache *lru.Cache[int, []byte]
	once  singleflight.Group
	ahead chan struct{} // holds a value for each block that is being unpacked ahead; nil: the container's bytes do not come late

	mu     sync.Mutex
	sound  numberSet     // the blocks that were unpacked once
	failed numberSet     // the blocks that cannot be unpacked
	bad    map[int]error // the reasons, of at most maxBad failed blocks
}

// maxBad is the number of damaged blocks for which the reason is remembered; other blocks are tried again.
const maxBad = 1 << 12

// blockIndex says in which block an offset lies.
type blockIndex interface {
	find(off int64) (i int, start, size int64)
	end() int64
	count() int
}

// newBlocks returns the range of bytes that index and load describe. blockSize is the size of the largest block.
func (in *input) newBlocks(index blockIndex, blockSize int64, load func(i int) ([]byte, error)) *blocks {
	keep := int64(cacheBytes)
	if in.opts.CacheBytes > 0 {
		keep = in.opts.CacheBytes
	}
	n := max(int(keep/max(blockSize, 1)), 2)
	cache, _ := lru.New[int, []byte](min(n, 4096)) // fails for sizes below 1 only
	b := &blocks{index: index, load: load, cache: cache, bad: map[int]error{}}
	if sparse.IsLate(in.Source) {
		b.ahead = make(chan struct{}, min(maxAhead, n))
	}
	return b
}

// Size returns the length in bytes.
func (b *blocks) Size() int64 { return b.index.end() }

// ReadAt implements [sparse.Source]. A damaged block is a *[sparse.HoleError] to its end.
func (b *blocks) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("format: negative offset %d", off)
	}
	done := 0
	for done < len(p) {
		pos := off + int64(done)
		if pos >= b.index.end() {
			return done, io.EOF
		}
		i, start, size := b.index.find(pos)
		data, err := b.block(i, size)
		if err != nil {
			return done, blockError(err, pos, start+size)
		}
		done += copy(p[done:], data[pos-start:])
	}
	return done, nil
}

// Probe implements [sparse.Source]: its answer covers one block.
func (b *blocks) Probe(off int64) (int64, error) {
	if off < 0 {
		return 0, fmt.Errorf("format: negative offset %d", off)
	}
	if off >= b.index.end() {
		return 0, io.EOF
	}
	i, start, size := b.index.find(off)
	if !b.isSound(i) {
		if _, err := b.block(i, size); err != nil {
			return start + size - off, blockError(err, off, start+size)
		}
	}
	return start + size - off, nil
}

// blockError returns the error for the bytes from pos to the end of a block. A failed read stays an error and does
// not become a hole.
func blockError(err error, pos, end int64) error {
	if sparse.Failed(err) {
		return err
	}
	return &sparse.HoleError{Off: pos, Len: end - pos, Err: err}
}

// maxAhead is how many blocks are unpacked ahead at the same time.
const maxAhead = 16

// WillNeed implements [sparse.Late]: blocks are unpacked ahead, as many at a time as may be.
func (b *blocks) WillNeed(off, n int64) bool {
	if b.ahead == nil {
		return false
	}
	for end := min(off+n, b.index.end()); off < end; {
		i, start, size := b.index.find(off)
		off = start + size
		if b.cache.Contains(i) {
			continue
		}
		select {
		case b.ahead <- struct{}{}:
			go func() {
				defer func() { <-b.ahead }()
				_ = rescue.Call(func() error { _, err := b.block(i, size); return err })
			}()
		default:
			return true
		}
	}
	return true
}

// isSound reports whether a block has been unpacked before.
func (b *blocks) isSound(i int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sound.has(i)
}

// remember notes the result of unpacking a block. A failed read is not remembered.
func (b *blocks) remember(i int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err == nil:
		b.sound.add(i)
	case sparse.Failed(err):
	default:
		b.failed.add(i)
		if len(b.bad) < maxBad {
			b.bad[i] = err
		}
	}
}

// damage returns why a block cannot be unpacked, if that was found before.
func (b *blocks) damage(i int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bad[i]
}

// block returns the bytes of block i. Readers that want the same block wait for each other.
func (b *blocks) block(i int, size int64) ([]byte, error) {
	if data, ok := b.cache.Get(i); ok {
		return data, nil
	}
	if err := b.damage(i); err != nil {
		return nil, err
	}
	data, err, _ := b.once.Do(strconv.Itoa(i), func() (any, error) {
		data, err := b.load(i)
		if err == nil && int64(len(data)) != size {
			err = fmt.Errorf("format: block %d unpacks to %#x bytes, want %#x", i, len(data), size)
		}
		b.remember(i, err)
		if err != nil {
			return nil, err
		}
		b.cache.Add(i, data)
		return data, nil
	})
	if err != nil {
		return nil, err
	}
	return data.([]byte), nil
}

// uniform is the index of blocks that are all of one size but for the last.
type uniform struct{ blockSize, total int64 }

func (u uniform) end() int64 { return u.total }

func (u uniform) count() int { return int((u.total + u.blockSize - 1) / u.blockSize) }

func (u uniform) find(off int64) (int, int64, int64) {
	i := off / u.blockSize
	start := i * u.blockSize
	return int(i), start, min(u.blockSize, u.total-start)
}

// varied is the index of blocks of any size: where each ends.
type varied struct{ ends []int64 }

func (v *varied) end() int64 {
	if len(v.ends) == 0 {
		return 0
	}
	return v.ends[len(v.ends)-1]
}

func (v *varied) count() int { return len(v.ends) }

// append adds a block of n bytes.
func (v *varied) append(n int64) { v.ends = append(v.ends, v.end()+n) }

func (v *varied) find(off int64) (int, int64, int64) {
	i, found := slices.BinarySearch(v.ends, off)
	if found {
		i++ // off is the end of block i: it lies in the next one
	}
	start, size := v.block(i)
	return i, start, size
}

// block returns where block i begins, and how many bytes it has.
func (v *varied) block(i int) (start, size int64) {
	if i > 0 {
		start = v.ends[i-1]
	}
	return start, v.ends[i] - start
}
