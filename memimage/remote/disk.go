package remote

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// defaultCacheBytes bounds the folder when the user does not.
	defaultCacheBytes = 8 << 30
	// trimEvery is the number of new blocks after which the folder is searched for old ones.
	trimEvery = 1024
	// abandoned is the age at which a file that a process has not finished counts as left behind.
	abandoned = time.Hour
	// diskMagic begins the file of a block; a SHA-256 of its name and content follows, then the content.
	diskMagic  = "memlens block 1\n"
	diskHeader = len(diskMagic) + sha256.Size
)

// blockFile are the names of the files of blocks, in the folders of objects: nothing else is ever removed.
var blockFile = regexp.MustCompile(`^[0-9a-f]{64}[/\\]([0-9a-f]{12}|new-[0-9]+|seen)$`)

// diskCache keeps blocks in a folder, over runs. Several processes may use it: a file gets its name when it is
// complete, and is believed when its checksum is right.
type diskCache struct {
	dir    string
	most   int64
	stored atomic.Int64
	warn   func(error)
}

// newDiskCache returns nil if no folder is wanted.
func newDiskCache(o Options) (*diskCache, error) {
	if o.CacheDir == "" {
		return nil, nil
	}
	if err := os.MkdirAll(o.CacheDir, 0o700); err != nil {
		return nil, fmt.Errorf("remote: the folder for blocks: %w", err)
	}
	d := &diskCache{dir: o.CacheDir, most: o.CacheBytes}
	if d.most <= 0 {
		d.most = defaultCacheBytes
	}
	var once sync.Once
	d.warn = func(err error) {
		if o.Warn != nil {
			once.Do(func() { o.Warn(fmt.Sprintf("blocks cannot be kept in %s: %v", o.CacheDir, err)) })
		}
	}
	d.trim()
	return d, nil
}

// objectCache are the blocks of an object.
type objectCache struct {
	cache *diskCache
	dir   string
	key   string
}

// of returns the blocks of an object; nil if they are not kept: its ETag must stand for its bytes.
func (d *diskCache) of(o *object) *objectCache {
	if d == nil || !o.pin.strong() {
		return nil
	}
	key := fmt.Sprintf("%s\n%s\n%s\n%d\n%d", identity(o.place), o.pin.etag, o.pin.encoding, o.pin.size, blockSize)
	sum := sha256.Sum256([]byte(key))
	return &objectCache{d, filepath.Join(d.dir, hex.EncodeToString(sum[:])), key}
}

// seen returns the name of the file that says that blocks of the object at a place were kept, for any ETag.
func (d *diskCache) seen(at place) string {
	sum := sha256.Sum256([]byte("seen\n" + identity(at)))
	return filepath.Join(d.dir, hex.EncodeToString(sum[:]), "seen")
}

// knows reports whether blocks of the object at a place may be here.
func (d *diskCache) knows(at place) bool {
	if d == nil {
		return false
	}
	_, err := os.Stat(d.seen(at))
	return err == nil
}

// note notes that blocks of an object are kept, or are not.
func (d *diskCache) note(o *object) {
	if d == nil {
		return
	}
	name := d.seen(o.place)
	if o.disk == nil {
		_ = os.Remove(name)
		return
	}
	if os.MkdirAll(filepath.Dir(name), 0o700) == nil {
		_ = os.WriteFile(name, nil, 0o600) // its time is the time of the last use
	}
}

// identity is the URL of an object with every part that identifies the object, and without the parts that identify
// the user.
func identity(at place) string {
	switch at := at.(type) {
	case *s3Place:
		return at.endpoint + " " + at.String()
	case *webPlace:
		query := url.Values{}
		for name, values := range at.url.Query() {
			if lower := strings.ToLower(name); !strings.HasPrefix(lower, "x-amz-") && !strings.HasPrefix(lower, "x-goog-") {
				query[name] = values
			}
		}
		return at.String() + "?" + query.Encode()
	}
	return at.String()
}

func (c *objectCache) file(number int64) string {
	return filepath.Join(c.dir, fmt.Sprintf("%012x", number))
}

// sum is the checksum of a block of this object, at its place.
func (c *objectCache) sum(number int64, data []byte) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%d\n%d\n", c.key, number, len(data))
	h.Write(data)
	return h.Sum(nil)
}

// has reports whether a block seems to be there.
func (c *objectCache) has(number int64) bool {
	if c == nil {
		return false
	}
	_, err := os.Stat(c.file(number))
	return err == nil
}

// load returns a block of n bytes, or nil when it is not there or is damaged.
func (c *objectCache) load(number, n int64) []byte {
	if c == nil {
		return nil
	}
	name := c.file(number)
	if info, err := os.Stat(name); err != nil || info.Size() != n+int64(diskHeader) {
		return nil
	}
	b, err := os.ReadFile(name)
	if err != nil || len(b) < diskHeader || int64(len(b)-diskHeader) != n {
		return nil
	}
	data := b[diskHeader:]
	if string(b[:len(diskMagic)]) != diskMagic || !bytes.Equal(b[len(diskMagic):diskHeader], c.sum(number, data)) {
		return nil
	}
	now := time.Now()
	_ = os.Chtimes(name, now, now) // the oldest are removed first
	return data
}

// store writes a block.
func (c *objectCache) store(number int64, data []byte) {
	if c == nil {
		return
	}
	if err := c.write(number, data); err != nil {
		c.cache.warn(err)
	} else if c.cache.stored.Add(1)%trimEvery == 0 {
		c.cache.trim()
	}
}

func (c *objectCache) write(number int64, data []byte) error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(c.dir, "new-*") // only its owner may read it
	if err != nil {
		return err
	}
	for _, b := range [][]byte{[]byte(diskMagic), c.sum(number, data), data} {
		if _, err = f.Write(b); err != nil {
			break
		}
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), c.file(number))
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// cached is a file in the folder.
type cached struct {
	name string
	size int64
	time time.Time
}

// trim removes the files that were not used for the longest time, when there are more bytes than there may be.
func (d *diskCache) trim() {
	files, total := d.files()
	if total <= d.most {
		return
	}
	slices.SortFunc(files, func(a, b cached) int { return a.time.Compare(b.time) })
	for _, f := range files {
		if total <= d.most-d.most/10 {
			return
		}
		if os.Remove(f.name) == nil {
			total -= f.size
			_ = os.Remove(filepath.Dir(f.name)) // when it is empty
		}
	}
}

// files lists the files of blocks, and removes unfinished ones.
func (d *diskCache) files() (files []cached, total int64) {
	_ = filepath.WalkDir(d.dir, func(name string, e fs.DirEntry, err error) error {
		rel, relErr := filepath.Rel(d.dir, name)
		if err != nil || relErr != nil || e.IsDir() || !blockFile.MatchString(rel) {
			if e != nil && e.IsDir() && rel != "." && strings.ContainsAny(rel, `/\`) {
				return fs.SkipDir
			}
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return nil // another process has removed it
		}
		if strings.HasPrefix(e.Name(), "new-") {
			if time.Since(info.ModTime()) > abandoned {
				os.Remove(name)
			}
			return nil
		}
		files, total = append(files, cached{name, info.Size(), info.ModTime()}), total+info.Size()
		return nil
	})
	return files, total
}
