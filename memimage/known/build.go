package known

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// indexVersion is the version of the form of indexes and of the reading of sets: an index of an older version is not
// used.
const indexVersion = "1"

// The names of files in the folder of indexes.
const (
	indexesName = "known"
	indexSuffix = ".index"
	unfinished  = "making-"
)

// folder is the folder of the indexes; "": none.
func (s *Set) folder() string {
	if s.options.CacheDir == "" {
		return ""
	}
	return filepath.Join(s.options.CacheDir, indexesName)
}

// indexPath returns the path of the index for the present state of the set.
func (s *Set) indexPath(info os.FileInfo) string {
	path := s.path
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d\x00%d", indexVersion, path, info.Size(), info.ModTime().UnixNano()))
	return filepath.Join(s.folder(), fmt.Sprintf("%x%s", sum, indexSuffix))
}

// kept returns the index that another run has left; nil: there is no usable index. The error is about the set.
func (s *Set) kept() (*index, error) {
	if s.folder() == "" {
		return nil, nil
	}
	info, err := os.Stat(s.path)
	if err != nil {
		return nil, err
	}
	path := s.indexPath(info)
	file, err := os.Open(path)
	if err != nil {
		return nil, nil
	}
	x, err := openFile(file)
	if err != nil {
		return nil, nil // it is made anew
	}
	now := time.Now()
	os.Chtimes(path, now, now) // the time of use: recently used indexes are pruned last
	return x, nil
}

// maxTemporary is how many bytes an index that is not kept may take.
const maxTemporary = 4 << 30

// build makes the index, in the cache folder if it can be written to.
func (s *Set) build(ctx context.Context) (*index, error) {
	if dir := s.folder(); dir != "" && os.MkdirAll(dir, 0o700) == nil {
		if file, err := os.CreateTemp(dir, unfinished+"*"); err == nil {
			s.prune(maxIndexes)
			return s.make(ctx, file, dir, 0)
		}
	}
	file, err := os.CreateTemp("", "memlens-known-*")
	if err != nil {
		return nil, err
	}
	return s.make(ctx, file, "", maxTemporary)
}

// make makes the index in a new file. Then it gives the file its name in dir, or no name if dir is empty.
func (s *Set) make(ctx context.Context, file *os.File, dir string, most int64) (x *index, err error) {
	temporary := file.Name()
	if dir == "" {
		os.Remove(temporary) // it stays on systems that cannot remove an open file
	}
	path, err := s.fill(ctx, file, most)
	if err == nil && dir == "" {
		return openFile(file)
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		os.Remove(temporary)
		return nil, err
	}
	if file, err = os.Open(path); err != nil {
		return nil, err
	}
	return openFile(file)
}

// fill reads the set and writes its index to a file, and returns the path under which it is kept.
func (s *Set) fill(ctx context.Context, file *os.File, most int64) (path string, err error) {
	sorting, err := os.CreateTemp(filepath.Dir(file.Name()), unfinished+"*")
	if err != nil {
		return "", err
	}
	os.Remove(sorting.Name())
	defer func() {
		sorting.Close()
		os.Remove(sorting.Name()) // on systems that cannot remove an open file
	}()
	set, info, err := s.open()
	if err != nil {
		return "", err
	}
	defer set.Close()
	w := newWriter(ctx, file, sorting)
	w.most = most
	w.merged = func(done, total int64) { s.options.Progress("sorting the hashes of "+s.Name(), done, max(total, 1)) }
	stats, err := s.read(&counted{ctx: ctx, r: set, tell: func(n int64) { s.options.Progress("reading "+s.Name(), n, info.Size()) }}, w)
	if err != nil {
		return "", err
	}
	if err := changedWhile(set, info); err != nil {
		return "", err
	}
	return s.indexPath(info), w.finish(stats)
}

// read reads all records of the set.
func (s *Set) read(in *counted, w *writer) (Stats, error) {
	text, err := textOf(in)
	if err != nil {
		return Stats{}, err
	}
	stats, err := parse(text, w.add)
	if err == nil && stats.Records == 0 {
		err = s.nothingFound()
	}
	return stats, err
}

// Bounds: the bytes of all kept indexes, and the age at which an unfinished file counts as left behind. A file that
// is being written is younger.
const (
	maxIndexes   = 16 << 30
	maxAbandoned = 24 * time.Hour
)

// prune removes the indexes that were used longest ago until the folder holds no more than limit bytes, and the files
// that killed processes have left.
func (s *Set) prune(limit int64) {
	entries, err := os.ReadDir(s.folder())
	if err != nil {
		return
	}
	var infos []iofs.FileInfo
	total := int64(0)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if abandoned, _ := filepath.Match(unfinished+"*", e.Name()); abandoned && time.Since(info.ModTime()) > maxAbandoned {
			os.Remove(filepath.Join(s.folder(), e.Name()))
		} else if filepath.Ext(e.Name()) == indexSuffix {
			infos, total = append(infos, info), total+info.Size()
		}
	}
	slices.SortFunc(infos, func(a, b iofs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range infos {
		if total <= limit {
			return
		}
		if os.Remove(filepath.Join(s.folder(), info.Name())) == nil {
			total -= info.Size()
		}
	}
}
