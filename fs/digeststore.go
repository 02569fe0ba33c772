package fs

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"memlens/memimage/digest"
	"memlens/memimage/reference"
)

// digestStore keeps the digests of references, by path, size and time of the file, so that a file is digested once. The
// digests used last are in memory, and digests are also in a folder. A fault of the folder is never an error: the
// digests are made anew.
type digestStore struct {
	folder string // empty: none
	memory *lru.Cache[string, *digest.Parsed]
	tidy   sync.Once // the folder is pruned before the first entry is added
}

// Bounds of the kept digests.
const (
	digestsInMemory = 4096
	digestsOnDisk   = 256 << 20 // bytes
	digestVersion   = "2"       // of the entries' form
)

func newDigestStore(folder string) *digestStore {
	memory, _ := lru.New[string, *digest.Parsed](digestsInMemory) // fails for a size of 0 only
	return &digestStore{folder: folder, memory: memory}
}

// of returns the digests of a reference.
func (s *digestStore) of(ctx context.Context, ref reference.File) (*digest.Parsed, error) {
	state, err := ref.State()
	if err != nil {
		return nil, err
	}
	key := referenceKey(state)
	if d, ok := s.memory.Get(key); ok {
		return d, nil
	}
	folder := !state.Derived
	var d *digest.Parsed
	ok := false
	if folder {
		d, ok = s.load(key, state.Size)
	}
	if !ok {
		if d, err = s.make(ctx, ref, key, folder); err != nil {
			return nil, err
		}
	}
	s.memory.Add(key, d)
	return d, nil
}

// referenceKey names the digests of a file as it is now.
func referenceKey(s reference.State) string {
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%s\x00%s", digestVersion, s.Key)))
}

// make digests a reference and keeps the result, in the folder only if folder is true.
func (s *digestStore) make(ctx context.Context, ref reference.File, key string, folder bool) (*digest.Parsed, error) {
	b, err := openReference(ref)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	gaps, err := missing(b)
	if err != nil {
		return nil, err
	}
	d, err := digest.Of(ref.Name, whole{b.within(ctx)}, b.Size(), ranges(gaps))
	if err == nil {
		err = b.faults.Since(0)
	}
	if err != nil {
		return nil, err
	}
	if folder {
		s.save(key, d)
	}
	return d.Parse()
}

// entry is a file of the folder. The sum shows whether it was damaged.
type entry struct {
	Sum     string          `json:"sum"`
	Digests json.RawMessage `json:"digests"`
}

func (s *digestStore) path(key string) string { return filepath.Join(s.folder, key[:2], key+".json") }

// maxEntry is how many bytes an entry may have: the digests take some 6 % of the file.
const maxEntry = 32 << 20

// load reads an entry; an entry that is damaged, or of a file of another size, does not count.
func (s *digestStore) load(key string, size int64) (*digest.Parsed, bool) {
	if s.folder == "" {
		return nil, false
	}
	if info, err := os.Stat(s.path(key)); err != nil || info.Size() > maxEntry {
		return nil, false
	}
	raw, err := os.ReadFile(s.path(key))
	if err != nil {
		return nil, false
	}
	var e entry
	d := new(digest.Digests)
	if json.Unmarshal(raw, &e) != nil || e.Sum != sumOf(e.Digests) || json.Unmarshal(e.Digests, d) != nil || d.Size != size {
		return nil, false
	}
	out, err := d.Parse()
	return out, err == nil
}

func sumOf(b []byte) string {
	h := sha256.Sum256(b)
	return fmt.Sprintf("%x", h)
}

// save writes an entry: all of it or nothing.
func (s *digestStore) save(key string, d *digest.Digests) {
	if s.folder == "" {
		return
	}
	s.tidy.Do(func() { s.prune(digestsOnDisk) })
	raw, err := json.Marshal(d)
	if err != nil {
		return
	}
	raw, err = json.Marshal(entry{sumOf(raw), raw})
	if err != nil || len(raw) > maxEntry {
		return
	}
	path := s.path(key)
	if os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(path), "new-*")
	if err != nil {
		return
	}
	_, err = f.Write(raw)
	if f.Close() != nil || err != nil || os.Rename(f.Name(), path) != nil {
		os.Remove(f.Name())
	}
}
