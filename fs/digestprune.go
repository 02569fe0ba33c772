package fs

import (
	"cmp"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"
)

// prune removes the oldest entries of the folder until it holds no more than limit bytes.
func (s *digestStore) prune(limit int64) {
	if s.folder == "" {
		return
	}
	files, total := s.entries()
	slices.SortFunc(files, func(a, b storedFile) int { return cmp.Compare(a.time, b.time) })
	for _, f := range files {
		if total <= limit {
			return
		}
		if os.Remove(f.path) == nil {
			total -= f.size
		}
	}
}

type storedFile struct {
	path       string
	size, time int64
}

// entries lists the entries in the folder: the files whose names have the form of an entry's name.
func (s *digestStore) entries() (out []storedFile, total int64) {
	filepath.WalkDir(s.folder, func(path string, d iofs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		if ok, _ := filepath.Match("new-*", d.Name()); !ok && filepath.Ext(path) != ".json" {
			return nil
		}
		if info, err := d.Info(); err == nil {
			out, total = append(out, storedFile{path, info.Size(), info.ModTime().UnixNano()}), total+info.Size()
		}
		return nil
	})
	return out, total
}
