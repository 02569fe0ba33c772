package profile

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"

	"memlens/memimage/profile/internal/layout"
)

// cacheForm must be changed whenever other data are kept from symbol files.
const cacheForm = "3"

// maxCached bounds a cache file in bytes. Real ones have some 20,000.
const maxCached = 1 << 24

// cache is a compact copy of one symbol file. It is only a shortcut: if anything is wrong with it, the symbol file is
// read again.
type cache struct{ path string }

// newCache names the copy in dir after the file's path, size and time of change. The zero cache has no copy.
func newCache(dir, path string) cache {
	absolute, err := filepath.Abs(path)
	info, statErr := os.Stat(path)
	if dir == "" || err != nil || statErr != nil {
		return cache{}
	}
	key := fmt.Sprintf("%s\x00%s\x00%d\x00%d", cacheForm, absolute, info.Size(), info.ModTime().UnixNano())
	return cache{filepath.Join(dir, fmt.Sprintf("symbols-%x.ntl", sha256.Sum256([]byte(key))))}
}

// load reads the copy: the digest of an archive of one table, and the archive.
func (c cache) load() (t layout.Table, ok bool) {
	info, err := os.Stat(c.path)
	if c.path == "" || err != nil || info.Size() > maxCached {
		return t, false
	}
	b, err := os.ReadFile(c.path)
	if err != nil || len(b) < sha256.Size || sha256.Sum256(b[sha256.Size:]) != [sha256.Size]byte(b) {
		return t, false
	}
	a, err := layout.Open(b[sha256.Size:])
	if err != nil || a.Len() != 1 {
		return t, false
	}
	var bodyErr error
	t.Header, err = a.Header(0)
	t.Structs, bodyErr = a.Structs(0)
	return t, err == nil && bodyErr == nil && len(t.Kernels) == 1
}

// store writes the copy under another name first, so that no reader sees half of it. A failure does no harm.
func (c cache) store(t layout.Table) {
	if c.path == "" || os.MkdirAll(filepath.Dir(c.path), 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(c.path), "symbols-*.tmp")
	if err != nil {
		return
	}
	archive := layout.Encode([]layout.Table{t})
	digest := sha256.Sum256(archive)
	_, err = f.Write(append(digest[:], archive...))
	if closeErr := f.Close(); err != nil || closeErr != nil || os.Rename(f.Name(), c.path) != nil {
		os.Remove(f.Name())
	}
}
